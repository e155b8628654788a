"""Deployments: asking for them, following them, ending them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, status
from sqlalchemy import update
from sqlmodel import col, select

from activities.contracts.base import DeploymentKind, DeploymentStatus, Stage
from api.entry import publishing, sources
from api.entry.deps import ChangeableApp, OwnedApp, OwnedDeployment, Use
from api.entry.problems import errors
from api.entry.schemas_deployments import Accepted, Asked, DeploymentOut, NewDeployment, NewRollback
from api.entry.services import Services
from api.entry.throttle import Throttle
from ops.db.tables import App, Deployment, DeploymentStage, now
from ops.error_codes import ErrorCode
from ops.errors import Conflict
from workflows import commands

router = APIRouter(prefix="/api", tags=["deployments"])

ACCEPTED = status.HTTP_202_ACCEPTED
ASKING = errors(401, 403, 404, 409, 422, 429, 503)
CANCEL_SECONDS = 1.0
_cancels = Throttle(CANCEL_SECONDS)
Before = Annotated[int | None, Query(ge=1, description="Older than this one")]
Limit = Annotated[int, Query(ge=1, le=100)]


async def described(use: Services, pairs: Sequence[tuple[App, Deployment]]) -> list[DeploymentOut]:
    """Deployments with their stages, in one query for any number."""
    query = select(DeploymentStage).where(
        col(DeploymentStage.deployment_id).in_([row.id for _, row in pairs])
    )
    stages: dict[int, list[DeploymentStage]] = {}
    async with use.database.session() as session:
        for stage in await session.exec(query):
            stages.setdefault(stage.deployment_id, []).append(stage)
    return [
        DeploymentOut.of(use.settings, app, row, stages.get(row.id or 0, [])) for app, row in pairs
    ]


@router.get("/apps/{app_id}/deployments", responses=errors(401, 404, 422, 503))
async def list_deployments(
    app: OwnedApp, use: Use, limit: Limit = 20, before: Before = None
) -> list[DeploymentOut]:
    """The newest first."""
    query = select(Deployment).where(Deployment.app_id == app.id)
    if before is not None:
        query = query.where(col(Deployment.id) < before)
    async with use.database.session() as session:
        rows = (await session.exec(query.order_by(col(Deployment.id).desc()).limit(limit))).all()
    return await described(use, [(app, row) for row in rows])


@router.post("/apps/{app_id}/deployments", status_code=ACCEPTED, responses=ASKING)
async def deploy(app: ChangeableApp, use: Use, body: NewDeployment | None = None) -> Accepted:
    """Builds a commit and makes it the live release; the present one serves until that is proven."""
    wanted = body or NewDeployment()
    await sources.ensure_prepared(use, app)
    row = publishing.new_row(app, DeploymentKind.DEPLOY, wanted.ref)
    return Accepted(id=await publishing.ask(use, app, row, wanted.on_busy))


@router.post("/apps/{app_id}/rollback", status_code=ACCEPTED, responses=ASKING)
async def roll_back(app: ChangeableApp, use: Use, body: NewRollback | None = None) -> Accepted:
    """Makes an earlier release live again, from its kept image."""
    wanted = body or NewRollback()
    source = await publishing.source_of_rollback(use, app, wanted.deployment_id)
    row = publishing.from_release(app, DeploymentKind.ROLLBACK, source)
    return Accepted(id=await publishing.ask(use, app, row, wanted.on_busy))


@router.post("/apps/{app_id}/start", status_code=ACCEPTED, responses=ASKING)
async def start(app: ChangeableApp, use: Use, body: Asked | None = None) -> Accepted:
    """Starts the last release of a stopped app."""
    if app.live_deployment_id is not None and not app.stopped:
        raise Conflict("the app is live already", code=ErrorCode.APP_LIVE)
    row = publishing.from_release(
        app, DeploymentKind.START, await publishing.release_to_start(use, app)
    )
    return Accepted(id=await publishing.ask(use, app, row, (body or Asked()).on_busy))


@router.post("/apps/{app_id}/stop", status_code=ACCEPTED, responses=ASKING)
async def stop(app: ChangeableApp, use: Use, body: Asked | None = None) -> Accepted:
    """Takes the app off the web; its releases, its data and its address stay."""
    if app.stopped or app.live_deployment_id is None:
        raise Conflict("the app is not live", code=ErrorCode.APP_NOT_LIVE)
    row = publishing.new_row(app, DeploymentKind.STOP)
    return Accepted(id=await publishing.ask(use, app, row, (body or Asked()).on_busy))


@router.get("/deployments/{deployment_id}", responses=errors(401, 404, 422, 503))
async def read_deployment(owned: OwnedDeployment, use: Use) -> DeploymentOut:
    return (await described(use, [(owned.app, owned.deployment)]))[0]


@router.post("/deployments/{deployment_id}/retry", status_code=ACCEPTED, responses=ASKING)
async def retry(owned: OwnedDeployment, use: Use, body: Asked | None = None) -> Accepted:
    """The same again: from the image, when it was pushed, else from the commit or branch."""
    app, source = owned.app, owned.deployment
    if app.deleting:
        raise Conflict("the app is being deleted", code=ErrorCode.APP_DELETING)
    if source.status not in (
        DeploymentStatus.FAILED,
        DeploymentStatus.CANCELLED,
        DeploymentStatus.ROLLED_BACK,
    ):
        raise Conflict(
            f"deployment {owned.id} is {source.status}",
            code=ErrorCode.NOT_RETRIED,
            hint="only one that failed or was cancelled can be retried",
        )
    if source.kind == DeploymentKind.STOP:
        row = publishing.new_row(app, DeploymentKind.STOP)
    else:
        await sources.ensure_prepared(use, app)
        row = publishing.from_release(app, DeploymentKind.RETRY, source)
    return Accepted(id=await publishing.ask(use, app, row, (body or Asked()).on_busy))


@router.post(
    "/deployments/{deployment_id}/cancel",
    status_code=ACCEPTED,
    responses=errors(401, 403, 404, 409, 422, 503),
)
async def cancel(owned: OwnedDeployment, use: Use) -> Accepted:
    """Ends a deployment and removes every trace of it; ``removed`` then lists what is gone."""
    deployment = owned.deployment
    if DeploymentStatus(deployment.status).ended:
        raise Conflict(
            f"deployment {owned.id} has ended: {deployment.status}", code=ErrorCode.DEPLOYMENT_ENDED
        )
    if await _no_way_back(use, owned.id, DeploymentKind(deployment.kind)):
        raise Conflict(
            "it is too late: what served before is being removed",
            code=ErrorCode.TOO_LATE,
            hint="roll back instead",
        )
    sending = partial(commands.cancel, use.temporal, deployment.app_id, owned.id)
    await asyncio.shield(_cancels.ask(owned.id, sending))
    if deployment.status == DeploymentStatus.PENDING:
        await _end_unknown(use, deployment.app_id, owned.id)
    return Accepted(id=owned.id)


async def _no_way_back(use: Services, deployment_id: int, kind: DeploymentKind) -> bool:
    """Once the old release goes; an app that is stopped goes with its route."""
    last = Stage.SWITCH if kind is DeploymentKind.STOP else Stage.RETIRE
    query = select(DeploymentStage.id).where(
        DeploymentStage.deployment_id == deployment_id, DeploymentStage.name == last
    )
    async with use.database.session() as session:
        return (await session.exec(query)).first() is not None


async def _end_unknown(use: Services, app_id: int, deployment_id: int) -> None:
    """Ends a record that no workflow knows yet, before the sweep hands it to one."""
    queue = await commands.queue(use.temporal, app_id)
    if deployment_id == queue.running or deployment_id in queue.waiting:
        return
    async with use.database.session() as session:
        await session.exec(
            update(Deployment)
            .where(
                col(Deployment.id) == deployment_id,
                col(Deployment.status) == DeploymentStatus.PENDING,
            )
            .values(
                status=DeploymentStatus.CANCELLED,
                version=Deployment.version + 1,
                ended_at=now(),
            )
        )
