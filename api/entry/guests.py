"""The way of guests (share links) between the two hops of a preview.

nginx cannot close a connection that it has handed on. So those of guests go through here: each is
let through only while its link shows something, and cut within seconds once it does not. Bytes are
not looked at beyond the first request's head; nginx uses each connection for one request.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from api.entry.share_links import shown
from ops.db.session import Database
from ops.errors import StudioError
from ops.settings import Settings

GUEST = b"x-studio-guest"
HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 10.0
CONNECT_SECONDS = 3.0
LOOK_SECONDS = 1.0
MOST = 100
"""Connections of one link."""
PIECE = 64 * 1024

log = structlog.get_logger()


def link_in(head: bytes) -> int | None:
    """The link that nginx names; None unless it names exactly one."""
    named = [
        value.strip()
        for name, colon, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
        if colon and name.strip().lower() == GUEST
    ]
    return int(named[0]) if len(named) == 1 and named[0].isdigit() else None


@dataclass(eq=False)
class _Guest:
    link_id: int
    writer: asyncio.StreamWriter


class Guests:
    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._open: set[_Guest] = set()

    async def serve(self) -> None:
        """Until it is cancelled. A port that is still taken is waited for."""
        port = self._settings.ports.guests
        while True:
            try:
                server = await asyncio.start_server(self._come, "127.0.0.1", port, limit=HEAD_BYTES)
            except OSError as error:
                log.warning("guests.not_listening", error=str(error))
                await asyncio.sleep(LOOK_SECONDS)
                continue
            async with server:
                await self._cut_what_is_over()

    async def _cut_what_is_over(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._open:
                continue
            ports = await self._gateways({guest.link_id for guest in self._open})
            for guest in list(self._open):
                if guest.link_id not in ports:
                    guest.writer.transport.abort()

    async def _gateways(self, link_ids: set[int]) -> dict[int, int]:
        """The gateway's port of each link that shows something. None does while nobody can tell."""
        try:
            async with self._database.session() as session:
                rows = await shown(session, link_ids)
        # Whatever it is: without an answer nobody is let in, and those who are in are cut.
        except Exception as error:
            log.warning("guests.not_known", error=str(error)[:300])
            return {}
        found: dict[int, int] = {}
        for link_id, row in rows.items():
            with contextlib.suppress(StudioError):
                port = self._settings.node(row.node_id or "").gateway_port
                if port is not None:
                    found[link_id] = port
        return found

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            link_id = link_in(head)
            if link_id is not None:
                await self._let_in(link_id, head, reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            log.debug("guests.broke_off")
        finally:
            writer.close()

    async def _let_in(
        self,
        link_id: int,
        head: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        port = (await self._gateways({link_id})).get(link_id)
        counts = Counter(guest.link_id for guest in self._open)
        if port is None or counts[link_id] >= MOST:
            return
        guest = _Guest(link_id, writer)
        self._open.add(guest)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                there, to_there = await asyncio.open_connection("127.0.0.1", port)
            try:
                to_there.write(head)
                await _first_of(_pour(reader, to_there), _pour(there, writer))
            finally:
                to_there.close()
        finally:
            self._open.discard(guest)


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while piece := await source.read(PIECE):
        target.write(piece)
        await target.drain()


async def _first_of(*directions: Coroutine[Any, Any, None]) -> None:
    """Until one side has ended: nobody here sends on after that."""
    tasks = [asyncio.create_task(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
