"""Following a deployment: its snapshots and its log, as they come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Literal

import httpx
import structlog
from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.datastructures import QueryParams

from activities.contracts.base import DeploymentStatus
from api.entry.deployments import described
from api.entry.deps import OwnedDeployment, Use
from api.entry.problems import Responses, errors
from api.entry.schemas_deployments import DeploymentOut, LogLine
from api.entry.services import Services
from ops.db.tables import Deployment
from ops.error_codes import ErrorCode
from ops.errors import NodeUnavailable
from ops.logtext import plain

router = APIRouter(prefix="/api/deployments/{deployment_id}", tags=["deployments"])
log = structlog.get_logger()

PING_SECONDS = 15
RECONNECT_SECONDS = 0.5
FOLLOW = httpx.Timeout(10.0, connect=3.0, read=None)
LastEventId = Annotated[int | None, Header(ge=0, description="Go on after this event")]

_STREAM: Responses = {
    200: {"content": {"text/event-stream": {}}, "description": "A stream of events"},
    204: {"description": "It has ended and nothing is new: do not connect again"},
}


@router.get("/events", responses=_STREAM | errors(401, 404, 422, 503), response_class=Response)
async def events(owned: OwnedDeployment, use: Use, last_event_id: LastEventId = None) -> Response:
    """Each event `deployment` is the whole deployment as JSON; its id is `version`.

    The stream ends after the snapshot of an ended deployment. `Last-Event-ID` resumes it.
    """
    done = last_event_id is not None and last_event_id >= owned.deployment.version
    if done and DeploymentStatus(owned.deployment.status).ended:
        return Response(status_code=204)
    return EventSourceResponse(_snapshots(use, owned, last_event_id), ping=PING_SECONDS)


async def _snapshots(
    use: Services, owned: OwnedDeployment, after: int | None
) -> AsyncIterator[ServerSentEvent]:
    sent = -1 if after is None else after
    async with use.watcher.watch(owned.id) as changes:
        async for version, status in changes:
            if version <= sent and not status.ended:
                continue
            snapshot = await _snapshot(use, owned)
            if snapshot is None:
                return
            sent = snapshot.version
            yield ServerSentEvent(
                data=snapshot.model_dump_json(), event="deployment", id=str(snapshot.version)
            )
            if snapshot.status.ended:
                return


async def _snapshot(use: Services, owned: OwnedDeployment) -> DeploymentOut | None:
    async with use.database.session() as session:
        row = await session.get(Deployment, owned.id)
    return None if row is None else (await described(use, [(owned.app, row)]))[0]


@router.get(
    "/log",
    responses={
        200: {
            "description": "The lines, one JSON object each; as text/plain the texts only, without colours; "
            "with `follow` a stream of events `line` whose ids are the numbers",
            "content": {"application/x-ndjson": {}, "text/plain": {}, "text/event-stream": {}},
        },
        **errors(401, 404, 422, 503),
    },
    response_class=Response,
)
async def read_log(
    owned: OwnedDeployment,
    use: Use,
    after: Annotated[int, Query(ge=-1, description="Only lines with a higher number")] = -1,
    follow: bool = False,
    as_: Annotated[Literal["json", "text"], Query(alias="format")] = "json",
    last_event_id: LastEventId = None,
) -> Response:
    """The log of a deployment: what was cloned, built, pushed and started."""
    if follow:
        start = after if last_event_id is None else last_event_id
        return EventSourceResponse(_followed(use, owned, start), ping=PING_SECONDS)
    stream = _lines(use, owned.id, after, follow=False)
    # The first line is awaited here, so that a server that is away is a 503 and no empty log.
    first = await anext(stream, None)
    return StreamingResponse(
        _whole(first, stream, as_),
        media_type="text/plain" if as_ == "text" else "application/x-ndjson",
    )


async def _whole(
    first: LogLine | None, rest: AsyncIterator[LogLine], as_: str
) -> AsyncIterator[str]:
    if first is None:
        return
    yield written(first, as_)
    async for line in rest:
        yield written(line, as_)


def written(line: LogLine, as_: str) -> str:
    """One line of the answer; as text it is for people's editors, where colours are noise."""
    return (plain(line.text) if as_ == "text" else line.model_dump_json()) + "\n"


async def _followed(
    use: Services, owned: OwnedDeployment, after: int
) -> AsyncIterator[ServerSentEvent]:
    """All lines until the deployment has ended, across restarts of control."""
    while True:
        ended = await _ended(use, owned)
        try:
            async for line in _lines(use, owned.id, after, follow=not ended):
                after = line.n
                yield ServerSentEvent(data=line.model_dump_json(), event="line", id=str(line.n))
        except NodeUnavailable:
            log.info("log.control_away", deployment_id=owned.id)
        else:
            if ended:
                yield ServerSentEvent(data="{}", event="end")
                return
        await asyncio.sleep(RECONNECT_SECONDS)


async def _ended(use: Services, owned: OwnedDeployment) -> bool:
    async with use.database.session() as session:
        row = await session.get(Deployment, owned.id)
    return row is None or DeploymentStatus(row.status).ended


async def _lines(
    use: Services, deployment_id: int, after: int, *, follow: bool
) -> AsyncIterator[LogLine]:
    """The lines that 7002 has; none when it knows no log. Raises NodeUnavailable when it is away."""
    query = QueryParams({"after": str(after), "follow": "true" if follow else "false"})
    request = use.control.build_request(
        "GET", f"/deployments/{deployment_id}/log?{query}", timeout=FOLLOW
    )
    try:
        answer = await use.control.send(request, stream=True)
        try:
            if answer.status_code == 404:
                return
            if answer.status_code != 200:
                raise NodeUnavailable(
                    "the log cannot be read just now",
                    code=ErrorCode.LOG_AWAY,
                    hint="try again soon",
                )
            async for text in answer.aiter_lines():
                line = _parsed(text)
                if line is not None:
                    yield line
        finally:
            await answer.aclose()
    except httpx.HTTPError as error:
        raise NodeUnavailable(
            "the log cannot be read just now", code=ErrorCode.LOG_AWAY, hint="try again soon"
        ) from error


def _parsed(text: str) -> LogLine | None:
    """None for what is no whole line: an empty keep-alive, or one cut off by a restart."""
    try:
        return LogLine.model_validate(json.loads(text)) if text.strip() else None
    except (ValueError, ValidationError):
        return None
