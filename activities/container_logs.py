"""An app's own output, read from the engine.

The engine is asked over its socket with httpx: a stream that nobody reads any more is closed at
once, which the Docker SDK's blocking iterator cannot promise.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from activities.containers import Containers
from ops.errors import NotFound
from ops.plain_http import NO_CERTIFICATES

HEADER_BYTES = 8
"""Each frame of a multiplexed log starts with stream type, three zero bytes and a length."""


def _engine(containers: Containers, read_seconds: float | None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=str(containers.socket), verify=NO_CERTIFICATES),
        base_url="http://engine",
        timeout=httpx.Timeout(5, read=read_seconds),
    )


async def frames(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The payloads of Docker's multiplexed stream (Engine API, "Attach to a container")."""
    buffer = b""
    async for chunk in chunks:
        buffer += chunk
        while len(buffer) >= HEADER_BYTES:
            length = int.from_bytes(buffer[4:HEADER_BYTES], "big")
            if len(buffer) < HEADER_BYTES + length:
                break
            yield buffer[HEADER_BYTES : HEADER_BYTES + length]
            buffer = buffer[HEADER_BYTES + length :]


async def follow_logs(
    containers: Containers, container: str, *, tail: int, follow: bool
) -> AsyncIterator[bytes]:
    """The last ``tail`` lines of a container, and what comes after while ``follow``."""
    query = {"stdout": "1", "stderr": "1", "tail": str(tail), "follow": str(int(follow))}
    path = f"/containers/{containers.full_name(container)}/logs"
    async with (
        _engine(containers, None if follow else 30) as client,
        client.stream("GET", path, params=query) as response,
    ):
        if response.status_code == httpx.codes.NOT_FOUND:
            raise NotFound("the container is gone")
        response.raise_for_status()
        async for payload in frames(response.aiter_raw()):
            yield payload
