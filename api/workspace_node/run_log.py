"""The log of a run as it grows, from the user's disk."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Path
from fastapi.responses import Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from activities.beneath import Folder
from activities.boundary import in_thread
from activities.run_records import log_gone
from activities.workspace_home import Homes
from api.workspace_node.state import Here, State, UserId
from ops.error_codes import ErrorCode
from ops.errors import LimitReached, StudioError

router = APIRouter(prefix="/runs")

CHUNK = 64 * 1024
LINES_AT_ONCE = 1000
POLL_SECONDS = 0.15
MOST_A_USER = 16
PING_SECONDS = 15
"""A log that is not there yet is waited for; one that has ended is read to its end."""


class Log:
    """One run's log. A position is the file's number and an offset: a new file starts anew.

    ``over``: the run is known to have ended, also where its own note of that is missing, as after
    the end of an engine. Raises NotFound when its log is not kept any more."""

    def __init__(
        self, homes: Homes, user_id: int, run_id: int, after: str | None, *, over: bool
    ) -> None:
        self._homes = homes
        self._user_id = user_id
        self._run_id = run_id
        self._over = over
        self._folder = f".studio/runs/{run_id}"
        self._inode, self._offset = _position(after)

    @property
    def position(self) -> str:
        return f"{self._inode}-{self._offset}"

    def more(self) -> tuple[list[str], bool]:
        """Whole lines that were not read yet, and whether the run has ended. Blocking."""
        with self._homes.disk(self._user_id) as disk:
            ended = self._over or _exists(disk, f"{self._folder}/exit")
            try:
                fd = disk.regular(f"{self._folder}/log")
            except (OSError, StudioError):
                if self._over:
                    raise log_gone(self._run_id) from None
                return [], ended
        with os.fdopen(fd, "rb") as file:
            found = os.fstat(fd)
            if found.st_ino != self._inode or found.st_size < self._offset:
                self._inode, self._offset = found.st_ino, 0
            file.seek(self._offset)
            data = file.read(CHUNK)
        whole = data.rfind(b"\n") + 1
        if not whole and (ended or len(data) == CHUNK):
            whole = len(data)
        self._offset += whole
        return data[:whole].decode(errors="replace").splitlines(), ended and whole == len(data)


def _exists(disk: Folder, path: str) -> bool:
    try:
        disk.stat(path)
    except OSError:
        return False
    return True


def _position(after: str | None) -> tuple[int, int]:
    inode, _, offset = (after or "").partition("-")
    known = inode.isdecimal() and offset.isdecimal() and len(inode) + len(offset) < 40
    return (int(inode), int(offset)) if known else (0, 0)


@router.get("/{run_id}/log")
async def read_log(
    user_id: UserId,
    run_id: Annotated[int, Path(ge=1)],
    here: Here,
    over: bool = False,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Events `lines` {"lines": […]}, then `end`; `over`: nothing more comes."""
    if here.reading[user_id] >= MOST_A_USER:
        raise LimitReached(
            "too many logs are being read",
            code=ErrorCode.TABS_LIMIT,
            values={"limit": MOST_A_USER},
            hint="close one",
        )
    log = Log(here.homes, user_id, run_id, last_event_id, over=over)
    first = await in_thread(log.more)
    return EventSourceResponse(_counted(here, user_id, log, first), ping=PING_SECONDS)


async def _counted(
    here: State, user_id: int, log: Log, first: tuple[list[str], bool]
) -> AsyncIterator[ServerSentEvent]:
    """Counted only once it is read: a response that nobody came to read would count for ever."""
    if here.reading[user_id] >= MOST_A_USER:
        return
    here.reading[user_id] += 1
    try:
        async for event in _events(log, first):
            yield event
    finally:
        here.reading[user_id] -= 1


async def _events(log: Log, first: tuple[list[str], bool]) -> AsyncIterator[ServerSentEvent]:
    lines, ended = first
    while True:
        if lines:
            yield ServerSentEvent(data=json.dumps({"lines": lines}), event="lines", id=log.position)
        elif ended:
            break
        else:
            await asyncio.sleep(POLL_SECONDS)
        try:
            lines, ended = await in_thread(log.more)
        except StudioError:
            break
    yield ServerSentEvent(data=json.dumps({"ended": ended}), event="end", id=log.position)
