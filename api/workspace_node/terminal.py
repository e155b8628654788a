"""The WebSocket of a terminal.

Bytes go both ways as binary messages. Text messages are JSON: from the client {"resize": [columns,
rows]}, and {"hang_up": true} to end the shell instead of coming back to it; to the client
{"session": id} first (``session=id`` comes back to it), {"exit": code} last.
"""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse

from api.workspace_node.state import AppId, Here, State, UserId
from api.workspace_node.terminals import Terminal, Viewer
from ops.errors import StudioError, to_problem

router = APIRouter()

TAKEN_OVER = 4000
ENDED = 1000
MOST = 1000
TOUCH_SECONDS = 60.0

Size = Annotated[int, Query(ge=1, le=MOST)]


@router.websocket("/terminal")
async def terminal(
    websocket: WebSocket,
    user_id: UserId,
    app_id: AppId,
    here: Here,
    session: str | None = None,
    rows: Size = 24,
    columns: Size = 80,
) -> None:
    try:
        if session is None:
            found = await here.terminals.open(user_id, app_id, rows, columns)
        else:
            found = here.terminals.find(user_id, session)
            await found.resize(rows, columns)
    except StudioError as error:
        refusal = JSONResponse(
            to_problem(error), status_code=error.status, media_type="application/problem+json"
        )
        await websocket.send_denial_response(refusal)
        return
    # From here on it is let go of, also when its person has gone before it could be accepted.
    viewer, missed = found.attach()
    tasks: list[asyncio.Task[None]] = []
    try:
        await websocket.accept()
        tasks = [
            asyncio.create_task(_out(websocket, found, viewer, missed)),
            asyncio.create_task(_in(websocket, found)),
            asyncio.create_task(_touching(here, user_id)),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        found.detach(viewer)


async def _out(websocket: WebSocket, found: Terminal, viewer: Viewer, missed: bytes) -> None:
    try:
        await websocket.send_text(json.dumps({"session": found.id}))
        if missed:
            await websocket.send_bytes(missed)
        while (data := await viewer.output.get()) is not None:
            await websocket.send_bytes(data)
        if viewer.replaced:
            await websocket.close(TAKEN_OVER, "opened elsewhere")
            return
        await websocket.send_text(json.dumps({"exit": found.exit_code}))
        await websocket.close(ENDED)
    except (WebSocketDisconnect, RuntimeError):
        return


async def _in(websocket: WebSocket, found: Terminal) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        data = message.get("bytes")
        if data is not None:
            await found.write(data)
            continue
        told = _told(message.get("text") or "")
        size = _size(told.get("resize"))
        if size is not None:
            await found.resize(*size)
        if told.get("hang_up") is True:
            found.hang_up()


def _told(text: str) -> dict[str, Any]:
    """A text message; empty when it is none that is known."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _size(told: Any) -> tuple[int, int] | None:
    """Rows and columns; None of anything that is no size."""
    if not isinstance(told, list) or len(told) != 2:
        return None
    columns, rows = told
    fits = all(type(side) is int and 1 <= side <= MOST for side in told)
    return (rows, columns) if fits else None


async def _touching(here: State, user_id: int) -> None:
    while True:
        here.touch(user_id)
        await asyncio.sleep(TOUCH_SECONDS)
