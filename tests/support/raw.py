"""HTTP/1.1 as bytes: requests that no client library would send."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ops.settings import Settings


@dataclass(frozen=True)
class RawAnswer:
    status: int
    head: str
    body: str

    def header(self, name: str) -> str | None:
        """A header's value; None when it is not there."""
        for line in self.head.split("\r\n")[1:]:
            found, _, value = line.partition(":")
            if found.lower() == name.lower():
                return value.strip()
        return None


async def send(
    settings: Settings, target: str, host: str | None, *headers: str, method: str = "GET"
) -> RawAnswer:
    """One request to the public entry, exactly as given, on a connection of its own."""
    lines = [f"{method} {target} HTTP/1.1", *([f"Host: {host}"] if host is not None else [])]
    text = "\r\n".join([*lines, *headers, "Connection: close", "", ""])
    reader, writer = await asyncio.open_connection("127.0.0.1", settings.ports.public)
    try:
        writer.write(text.encode())
        async with asyncio.timeout(15):
            raw = (await reader.read(-1)).decode(errors="replace")
    finally:
        writer.close()
    head, _, body = raw.partition("\r\n\r\n")
    return RawAnswer(int(head.split(" ")[1]), head, body)
