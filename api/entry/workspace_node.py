"""Calls of the host that the caller's workspace is on. What goes through is never kept here."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Annotated, Any

import httpx
from fastapi import Depends, Query, Response
from fastapi.responses import StreamingResponse
from sqlmodel import select

from api.entry.deps import Caller, Me, Use, changeable, own_app
from api.entry.services import Services
from ops.db.tables import Workspace
from ops.error_codes import ErrorCode
from ops.errors import Conflict, NodeUnavailable, PlatformError, StudioError, from_problem
from ops.settings import Node

AWAY = "the host of your workspace does not answer just now"
CALL = httpx.Timeout(90.0, connect=3.0)
STREAM = httpx.Timeout(90.0, connect=3.0, read=None)
PASSED_ON = ("content-type", "content-length", "content-disposition", "retry-after")

AppInQuery = Annotated[int, Query(ge=1, le=2**53, examples=[7])]
FilePath = Annotated[
    str,
    Query(max_length=4000, description="Relative to the app's folder", examples=["src/main.js"]),
]


async def app_to_read(app_id: AppInQuery, me: Me, use: Use) -> int:
    await own_app(use, me, app_id)
    return app_id


async def app_to_change(app_id: AppInQuery, me: Me, use: Use) -> int:
    changeable(await own_app(use, me, app_id))
    return app_id


ReadApp = Annotated[int, Depends(app_to_read)]
"""The query's ``app_id``: an app of the caller's own."""
ChangeApp = Annotated[int, Depends(app_to_change)]
"""The same, and it is not being deleted."""


async def node_of(use: Services, user_id: int) -> Node:
    """Raises Conflict when the workspace was never opened."""
    async with use.database.session() as session:
        node_id = (
            await session.exec(select(Workspace.node_id).where(Workspace.user_id == user_id))
        ).first()
    if node_id is None:
        raise Conflict(
            "the workspace is not open", code=ErrorCode.WORKSPACE_CLOSED, hint="open the app first"
        )
    return use.settings.node(node_id)


def address(node: Node, user_id: int, path: str) -> str:
    return f"//127.0.0.1:{node.agent_port}/users/{user_id}{path}"


async def call(
    use: Services,
    me: Caller,
    method: str,
    path: str,
    *,
    params: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
    content: AsyncIterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
    endless: bool = False,
) -> Response:
    """The node's own answer, also when it is a refusal. Its body goes through as it comes."""
    node = await node_of(use, me.id)
    request = use.workspaces.build_request(
        method,
        f"http:{address(node, me.id, path)}",
        params={key: value for key, value in (params or {}).items() if value is not None},
        json=body,
        content=content,
        headers=headers,
        timeout=STREAM if endless else CALL,
    )
    try:
        answer = await use.workspaces.send(request, stream=True)
    except httpx.HTTPError as error:
        raise NodeUnavailable(
            AWAY,
            code=ErrorCode.WORKSPACE_AWAY,
            values={"node": node.node_id},
            hint="your files are kept; try again soon",
        ) from error
    if answer.status_code in (401, 403):
        await answer.aclose()
        raise PlatformError(f"{node.node_id} does not know the entry's token")
    return StreamingResponse(
        _pieces(answer),
        status_code=answer.status_code,
        headers={name: answer.headers[name] for name in PASSED_ON if name in answer.headers},
    )


async def is_ready(use: Services, row: Workspace, app_id: int) -> bool:
    """Whether an app is open as the record says, seen on its node; a node that is away says no."""
    try:
        node = use.settings.node(row.node_id or "")
        answer = await use.workspaces.get(
            f"http:{address(node, row.user_id, '/ready')}",
            params={"app_id": app_id, "dev_mongo": row.dev_mongo},
        )
        return answer.is_success and answer.json() == {"ready": True}
    except (StudioError, httpx.HTTPError):
        return False


async def asked(
    use: Services,
    me: Caller,
    path: str,
    *,
    params: Mapping[str, Any],
    body: Mapping[str, Any] | None = None,
    content: AsyncIterable[bytes] | None = None,
) -> Any:
    """The answer to a POST, for the entry's own use. Raises what the node refused with."""
    node = await node_of(use, me.id)
    try:
        answer = await use.workspaces.post(
            f"http:{address(node, me.id, path)}",
            params=params,
            json=body,
            content=content,
            timeout=CALL,
        )
    except httpx.HTTPError as error:
        raise NodeUnavailable(
            AWAY,
            code=ErrorCode.WORKSPACE_AWAY,
            values={"node": node.node_id},
            hint="try again soon",
        ) from error
    if answer.is_success:
        return answer.json()
    try:
        refusal = from_problem(answer.json())
    except (ValueError, KeyError, TypeError):
        refusal = PlatformError(f"{node.node_id} answered {answer.status_code}")
    raise refusal


async def _pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    """A node that goes away in the middle cuts the answer: what was sent is not the whole."""
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()
