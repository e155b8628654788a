"""Deployments' logs: nodes append, the entry reads and follows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, StringConstraints

from activities.rows import without_log
from api.deploy_control.auth import AnEntry, ANode
from api.deploy_control.state import AState, State
from ops.db.tables import Deployment

router = APIRouter(tags=["logs"])

JSON_LINES = "application/x-ndjson"
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$")]


class Lines(BaseModel):
    """Lines of one stream (one run of one sender); ``first`` is the number of the first of them."""

    source: Name
    stream: Name | None = None
    first: int = Field(ge=0)
    lines: list[str] = Field(max_length=2000)


class Taken(BaseModel):
    """``more`` false: the log is full, further lines are not kept."""

    more: bool


@router.post("/deployments/{deployment_id}/log")
async def append(deployment_id: int, body: Lines, node: ANode, state: AState) -> Taken:
    """Adds what is new of these lines; the same lines again change nothing."""
    if not state.logs.known(deployment_id):
        await state.deployment(deployment_id)
    stream = f"{node.node_id}/{body.stream or body.source}"
    return Taken(
        more=await state.logs.append(deployment_id, body.source, stream, body.first, body.lines)
    )


@router.get("/deployments/{deployment_id}/log")
async def read(
    deployment_id: int,
    entry: AnEntry,
    state: AState,
    after: Annotated[int, Query(ge=-1)] = -1,
    follow: bool = False,
) -> StreamingResponse:
    """JSON lines ``{n, text, source, at}`` with ``n`` above ``after``.

    Of a log that is no longer kept there is one line, which says so.
    """
    row = await state.deployment(deployment_id)
    chunks: AsyncIterator[bytes]
    if not state.logs.path(deployment_id).exists() and await _is_gone(state, row):
        chunks = state.logs.gone(after, state.settings.kept_logs)
    elif follow:
        chunks = state.logs.follow(deployment_id, after, lambda: state.ended(deployment_id))
    else:
        chunks = state.logs.read(deployment_id, after)
    return StreamingResponse(chunks, media_type=JSON_LINES)


async def _is_gone(state: State, row: Deployment) -> bool:
    async with state.database.session() as session:
        return row.id in await without_log(session, row.app_id, state.settings.kept_logs)
