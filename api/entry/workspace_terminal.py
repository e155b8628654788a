"""The terminal's WebSocket, and the log of what runs: both come from the workspace's host.

The messages of the terminal are described in ``api/workspace_node/terminal.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header, Query, Response, WebSocket, WebSocketDisconnect
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import select
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from activities.contracts.workspace import Run
from activities.run_records import log_gone
from api.entry import problems
from api.entry.deps import Caller, Me, Use, changeable, is_good, own_app, same_origin, signed_in
from api.entry.problems import errors
from api.entry.services import Services
from api.entry.workspace_node import AWAY, AppInQuery, address, call, node_of
from ops.db.tables import Workspace
from ops.error_codes import ErrorCode
from ops.errors import Conflict, Forbidden, NodeUnavailable, StudioError

router = APIRouter(prefix="/api/workspace", tags=["workspace"])
log = structlog.get_logger()

OPEN_SECONDS = 10.0
SIGNED_IN_SECONDS = 2.0
"""How often it is looked whether whoever has a terminal open is still signed in."""
LARGEST_MESSAGE = 1024 * 1024
GOING_AWAY = 1001
SIGNED_OUT = 4001
NOT_TO_SEND = (1005, 1006, 1015)
"""Codes that say how a connection ended without one."""

Size = Annotated[int, Query(ge=1, le=1000)]


@router.websocket("/terminal")
async def terminal(
    websocket: WebSocket,
    use: Use,
    app_id: AppInQuery,
    session: Annotated[str | None, Query(max_length=64)] = None,
    rows: Size = 24,
    columns: Size = 80,
) -> None:
    try:
        me = await _allowed(websocket, use, app_id)
        query = {"app_id": app_id, "session": session, "rows": rows, "columns": columns}
        node = await _connect(use, me.id, query)
    except _Refused as refusal:
        await websocket.send_denial_response(refusal.response)
        return
    except StudioError as error:
        await websocket.send_denial_response(problems.answer(error))
        return
    async with node:
        await websocket.accept()
        await _pump(websocket, node, _signed_out(use, me.token_id))


async def _allowed(websocket: WebSocket, use: Services, app_id: int) -> Caller:
    """Whose terminal it is. A browser names its page's origin, and that has to be the studio's."""
    if "origin" in websocket.headers and not same_origin(websocket, use.settings):
        raise Forbidden(
            "this request does not come from the studio's own page", code=ErrorCode.FOREIGN_PAGE
        )
    me = await signed_in(websocket, use)
    changeable(await own_app(use, me, app_id))
    return me


async def _signed_out(use: Services, token_id: int) -> None:
    """Returns once the session or token is gone. While nobody can tell it is there."""
    while True:
        await asyncio.sleep(SIGNED_IN_SECONDS)
        try:
            async with use.database.session() as session:
                if not await is_good(session, token_id):
                    return
        except (SQLAlchemyError, OSError) as error:
            log.warning("terminal.session_not_known", error=str(error)[:300])


class _Refused(Exception):
    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


async def _connect(
    use: Services, user_id: int, query: dict[str, int | str | None]
) -> ClientConnection:
    node = await node_of(use, user_id)
    given = use.workspaces.build_request(
        "GET",
        f"http:{address(node, user_id, '/terminal')}",
        params={key: value for key, value in query.items() if value is not None},
    )
    try:
        return await connect(
            str(given.url).replace("http:", "ws:", 1),
            additional_headers={"Authorization": given.headers["authorization"]},
            compression=None,
            proxy=None,
            max_size=LARGEST_MESSAGE,
            open_timeout=OPEN_SECONDS,
            user_agent_header=None,
        )
    except InvalidStatus as refusal:
        answer = refusal.response
        kind = answer.headers.get("Content-Type", "application/problem+json")
        raise _Refused(
            Response(bytes(answer.body or b""), status_code=answer.status_code, media_type=kind)
        ) from None
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise NodeUnavailable(
            AWAY,
            code=ErrorCode.WORKSPACE_AWAY,
            values={"node": node.node_id},
            hint="try again soon",
        ) from error


async def _pump(
    websocket: WebSocket, node: ClientConnection, signed_out: Coroutine[Any, Any, None]
) -> None:
    ended = asyncio.create_task(signed_out)
    tasks = [
        asyncio.create_task(_to_person(websocket, node)),
        asyncio.create_task(_to_node(websocket, node)),
        ended,
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            with contextlib.suppress(RuntimeError):
                await websocket.close(SIGNED_OUT, "signed out")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _to_person(websocket: WebSocket, node: ClientConnection) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        with contextlib.suppress(ConnectionClosed):
            async for message in node:
                if isinstance(message, str):
                    await websocket.send_text(message)
                else:
                    await websocket.send_bytes(message)
        code = node.close_code or GOING_AWAY
        await websocket.close(GOING_AWAY if code in NOT_TO_SEND else code, node.close_reason or "")


async def _to_node(websocket: WebSocket, node: ClientConnection) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        data = message.get("bytes")
        try:
            await node.send(data if data is not None else message.get("text") or "")
        except ConnectionClosed:
            # The other direction tells the person how it ended.
            await asyncio.Event().wait()


@router.get(
    "/run/log",
    responses={
        200: {
            "content": {"text/event-stream": {}},
            "description": 'Events `lines` {"lines": […]}, then `end`; resumable',
        },
        **errors(401, 404, 409, 422, 429, 503),
    },
    response_class=Response,
)
async def read_run_log(
    me: Me,
    use: Use,
    run_id: Annotated[int | None, Query(ge=1, le=2**53, description="None: the latest")] = None,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> Response:
    """What a run prints, as it comes. The last five logs of each task are kept."""
    async with use.database.session() as session:
        known = (
            await session.exec(select(Workspace.run).where(Workspace.user_id == me.id))
        ).first()
    if not known:
        raise Conflict(
            "nothing has run yet", code=ErrorCode.NOTHING_RAN, hint="start something first"
        )
    latest = Run.model_validate(known)
    run_id = run_id or latest.run_id
    if run_id > latest.run_id:
        raise log_gone(run_id)
    headers = {"Last-Event-ID": last_event_id} if last_event_id else None
    params = {"over": run_id < latest.run_id or latest.state.ended}
    return await call(
        use, me, "GET", f"/runs/{run_id}/log", params=params, headers=headers, endless=True
    )
