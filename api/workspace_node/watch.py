"""Changes of an app's files as they happen, whoever makes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from activities.boundary import in_thread
from api.workspace_node.inotify import Change, Gone, Lost, Watch
from api.workspace_node.state import AppId, Here, State, UserId
from ops.error_codes import ErrorCode
from ops.errors import LimitReached

router = APIRouter(prefix="/files")

GATHER_SECONDS = 0.05
"""What one save or one checkout does comes as one event."""
PING_SECONDS = 15
MOST_A_USER = 8
MOST_CHANGES = 1000


@router.get("/watch")
async def watch(user_id: UserId, app_id: AppId, here: Here) -> Response:
    """Events `changes` {"changes": [{path, what}]}; `reload` when too much happened; `end`."""
    if here.watching[user_id] >= MOST_A_USER:
        raise LimitReached(
            "too many are watching",
            code=ErrorCode.TABS_LIMIT,
            values={"limit": MOST_A_USER},
            hint="close another editor",
        )
    here.touch(user_id)
    seen = await in_thread(Watch, lambda: here.homes.app(user_id, app_id))
    return EventSourceResponse(_events(here, user_id, seen), ping=PING_SECONDS)


async def _events(here: State, user_id: int, seen: Watch) -> AsyncIterator[ServerSentEvent]:
    if here.watching[user_id] >= MOST_A_USER:  # others came while this one was made
        seen.close()
        return
    here.watching[user_id] += 1
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_reader(seen.fd, told.set)
    try:
        yield _event("ready", {})
        while True:
            await told.wait()
            here.touch(user_id)
            # No reading while it gathers: a flood must not keep the loop busy.
            loop.remove_reader(seen.fd)
            await asyncio.sleep(GATHER_SECONDS)
            told.clear()
            try:
                changes = await in_thread(seen.read)
            except Lost:
                yield _event("reload", {})
            except Gone:
                break
            else:
                if len(changes) > MOST_CHANGES:
                    yield _event("reload", {})
                elif changes:
                    yield _event("changes", {"changes": [_shown(change) for change in changes]})
            loop.add_reader(seen.fd, told.set)
        yield _event("end", {})
    finally:
        here.watching[user_id] -= 1
        loop.remove_reader(seen.fd)
        seen.close()


def _shown(change: Change) -> dict[str, str]:
    path = change.path.encode(errors="surrogateescape").decode(errors="replace")
    return {"path": path, "what": change.what}


def _event(name: str, data: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(event=name, data=json.dumps(data))
