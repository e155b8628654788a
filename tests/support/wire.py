"""A line between a browser and the platform that can be cut.

A browser that is told to be offline asks for nothing new, and goes on reading what it reads; a line
that is cut ends that too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK = 64 * 1024


class Wire:
    """A proxy for plain http: nginx takes a request in a proxy's form as any other."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._whole = True
        self._ends: set[asyncio.StreamWriter] = set()
        self.address = ""

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator[Wire]:
        """To a port of this machine; ``address`` is for the browser's ``proxy``."""
        wire = cls(port)
        server = await asyncio.start_server(wire._joined, "127.0.0.1", 0)
        wire.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield wire
        finally:
            server.close()
            wire.cut()

    def cut(self) -> None:
        """Ends all connections, and refuses new ones."""
        self._whole = False
        for end in self._ends:
            end.transport.abort()

    def mend(self) -> None:
        self._whole = True

    async def _joined(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        if not self._whole:
            back.transport.abort()
            return
        there, on = await asyncio.open_connection("127.0.0.1", self._port)
        ends = {back, on}
        self._ends |= ends
        try:
            await asyncio.gather(_copied(here, on), _copied(there, back))
        finally:
            self._ends -= ends


async def _copied(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
    target.close()
