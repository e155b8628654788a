"""A live app's own log, fetched from the agent (7005) of the node that it runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated

import httpx
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from api.deploy_control.auth import AnEntry
from api.deploy_control.state import AState, State
from ops.errors import Conflict, NodeUnavailable, NotFound
from ops.logtext import cleaned_lines

router = APIRouter(tags=["apps"])

MAX_TAIL = 5000


@router.get("/apps/{app_id}/logs")
async def logs(
    app_id: int,
    entry: AnEntry,
    state: AState,
    tail: Annotated[int, Query(ge=0, le=MAX_TAIL)] = 200,
    follow: bool = False,
) -> StreamingResponse:
    """What the app wrote, as text lines; with ``follow`` as long as it runs."""
    url = await _agent(state, app_id) + "/logs"
    stack = AsyncExitStack()
    try:
        answer = await stack.enter_async_context(
            state.agents.stream(
                "GET", url, params={"tail": tail, "follow": follow}, timeout=_patient(follow)
            )
        )
        if answer.status_code != httpx.codes.OK:
            raise _refused(app_id, answer.status_code)
    except httpx.TransportError as error:
        await stack.aclose()
        raise _away(app_id) from error
    except BaseException:
        await stack.aclose()
        raise
    return StreamingResponse(_clean(answer, stack), media_type="text/plain; charset=utf-8")


async def _clean(answer: httpx.Response, stack: AsyncExitStack) -> AsyncIterator[bytes]:
    async with stack:
        try:
            # Not httpx's own lines: it holds one for as long as the app does not end it.
            async for line in cleaned_lines(answer.aiter_bytes()):
                yield line.encode() + b"\n"
        except httpx.TransportError:
            return


async def _agent(state: State, app_id: int) -> str:
    app = await state.app(app_id)
    if app.node_id is None or app.live_deployment_id is None or app.stopped:
        raise Conflict(f"app {app_id} is not running", hint="deploy or start it first")
    node = state.settings.node(app.node_id)
    return f"http://127.0.0.1:{node.agent_port}/apps/{app_id}"


def _patient(follow: bool) -> httpx.Timeout:
    """A followed log may be silent for as long as the app is."""
    return httpx.Timeout(5.0, read=None if follow else 10.0)


def _refused(app_id: int, status: int) -> NotFound | NodeUnavailable:
    if status == httpx.codes.NOT_FOUND:
        return NotFound(f"app {app_id} has no running container")
    return NodeUnavailable(f"the node of app {app_id} answered {status}")


def _away(app_id: int) -> NodeUnavailable:
    return NodeUnavailable(
        f"the node of app {app_id} does not answer", hint="see `studio nodes`; try again shortly"
    )
