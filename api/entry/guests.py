"""The way of guests between the two hops of a preview: of those who come by a share link, and of the
sockets of VS Code, which end with the session that opened them.

nginx cannot close a connection that it has handed on. So theirs go through here: each is let through
only while its link or pass shows something, and cut within seconds once it does not. Bytes are not
looked at beyond the first request's head; nginx uses each connection for one request.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from api.entry import previews, share_links
from ops.db.session import Database
from ops.errors import StudioError
from ops.settings import Settings

Kind = Literal["link", "pass"]
HEADERS: dict[bytes, Kind] = {b"x-studio-guest": "link", b"x-studio-pass": "pass"}
HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 10.0
CONNECT_SECONDS = 3.0
LOOK_SECONDS = 1.0
MOST = 100
"""Connections by one link or pass."""
PIECE = 64 * 1024

log = structlog.get_logger()


@dataclass(frozen=True)
class Leave:
    """What lets a guest in: the id of a share link, or of a pass."""

    kind: Kind
    id: int


def leave_in(head: bytes) -> Leave | None:
    """What nginx names; None unless it names exactly one. An empty value names none."""
    named = [
        (HEADERS[name.strip().lower()], value.strip())
        for name, colon, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
        if colon and name.strip().lower() in HEADERS and value.strip()
    ]
    if len(named) != 1 or not named[0][1].isdigit():
        return None
    kind, number = named[0]
    return Leave(kind, int(number))


@dataclass(eq=False)
class _Guest:
    leave: Leave
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
            ports = await self._gateways({guest.leave for guest in self._open})
            for guest in list(self._open):
                if guest.leave not in ports:
                    guest.writer.transport.abort()

    async def _gateways(self, leaves: set[Leave]) -> dict[Leave, int]:
        """The gateway's port for each that shows something. None does while nobody can tell."""
        links, passes = (
            {leave.id for leave in leaves if leave.kind == kind} for kind in ("link", "pass")
        )
        try:
            async with self._database.session() as session:
                shown = await share_links.shown(session, links) if links else {}
                good = await previews.good(session, passes) if passes else {}
        # Whatever it is: without an answer nobody is let in, and those who are in are cut.
        except Exception as error:
            log.warning("guests.not_known", error=str(error)[:300])
            return {}
        rows = {Leave("link", number): row for number, row in shown.items()}
        rows |= {Leave("pass", number): row for number, row in good.items()}
        found: dict[Leave, int] = {}
        for leave, row in rows.items():
            with contextlib.suppress(StudioError):
                port = self._settings.node(row.node_id or "").gateway_port
                if port is not None:
                    found[leave] = port
        return found

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            leave = leave_in(head)
            if leave is not None:
                await self._let_in(leave, head, reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            log.debug("guests.broke_off")
        finally:
            writer.close()

    async def _let_in(
        self,
        leave: Leave,
        head: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        port = (await self._gateways({leave})).get(leave)
        counts = Counter(guest.leave for guest in self._open)
        if port is None or counts[leave] >= MOST:
            return
        guest = _Guest(leave, writer)
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
