"""What a live app prints."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated

import httpx
from fastapi import APIRouter, Query, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.entry.deps import OwnedApp, Use
from api.entry.events import FOLLOW, PING_SECONDS
from api.entry.problems import errors
from api.entry.services import Services
from ops.error_codes import ErrorCode
from ops.errors import Conflict, NodeUnavailable
from ops.logtext import cleaned_lines

router = APIRouter(prefix="/api/apps/{app_id}", tags=["apps"])

AWAY = "the app's node does not answer just now"


@router.get(
    "/logs",
    responses={
        200: {
            "content": {"text/event-stream": {}},
            "description": 'Events `line` {"text": …}, then `end` {"reason": …}',
        },
        **errors(401, 404, 409, 422, 503),
    },
    response_class=Response,
)
async def read_logs(
    app: OwnedApp,
    use: Use,
    tail: Annotated[int, Query(ge=0, le=5000, description="Lines from before")] = 100,
    follow: bool = True,
) -> Response:
    """The live release's own output."""
    if app.live_deployment_id is None or app.stopped:
        raise Conflict(
            "the app is not live", code=ErrorCode.APP_NOT_LIVE, hint="deploy or start it first"
        )
    answer = await _open(
        use, f"/apps/{app.id}/logs?tail={tail}&follow={'true' if follow else 'false'}"
    )
    return EventSourceResponse(_events(answer), ping=PING_SECONDS)


async def _open(use: Services, path: str) -> httpx.Response:
    """An open answer of 7002, which asks the app's node. Raises when it is no 200."""
    try:
        answer = await use.control.send(
            use.control.build_request("GET", path, timeout=FOLLOW), stream=True
        )
    except httpx.HTTPError as error:
        raise NodeUnavailable(AWAY, code=ErrorCode.LOG_AWAY, hint="try again soon") from error
    if answer.status_code == 200:
        return answer
    await answer.aclose()
    if answer.status_code in (404, 409):
        raise Conflict(
            "the app has no container just now",
            code=ErrorCode.APP_NOT_LIVE,
            hint="deploy or start it first",
        )
    raise NodeUnavailable(AWAY, code=ErrorCode.LOG_AWAY, hint="try again soon")


async def _events(answer: httpx.Response) -> AsyncIterator[ServerSentEvent]:
    reason = "ended"
    try:
        async for text in cleaned_lines(answer.aiter_bytes()):
            yield ServerSentEvent(data=json.dumps({"text": text}), event="line")
    except httpx.HTTPError:
        reason = "interrupted"
    finally:
        await answer.aclose()
    yield ServerSentEvent(data=json.dumps({"reason": reason}), event="end")
