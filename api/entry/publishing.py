"""Asking for a deployment: the record is written first, then the workflow is asked.

Whatever happens between the two, the sweep on control finds the record and takes it up.
"""

from __future__ import annotations

import structlog
from sqlalchemy import exists
from sqlmodel import col, delete, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.service import RPCError

from activities.contracts.base import DeploymentKind, DeploymentStatus
from activities.rows import get_app, get_deployment, last_release
from api.entry.services import Services
from ops.db.tables import AccountDeletion, App, Deployment, User
from ops.error_codes import ErrorCode
from ops.errors import Conflict, LimitReached, NodeUnavailable, NotFound, PlatformError
from ops.telemetry import traceparent
from workflows import commands
from workflows.messages import DeployRequest, OnBusy

log = structlog.get_logger()


async def ask(use: Services, app: App, row: Deployment, on_busy: OnBusy) -> int:
    """The id of the accepted deployment. Raises Conflict (the record is gone again) when busy."""
    assert app.id is not None
    row.on_busy = on_busy
    row.traceparent = traceparent()
    await _record(use, app, row)
    assert row.id is not None
    structlog.contextvars.bind_contextvars(deployment_id=row.id)
    request = DeployRequest(
        deployment_id=row.id,
        app_id=app.id,
        user_id=app.user_id,
        on_busy=on_busy,
        traceparent=row.traceparent,
    )
    try:
        await commands.submit(use.temporal, request)
    except Conflict:
        async with use.database.session() as session:
            await session.exec(
                delete(Deployment).where(
                    col(Deployment.id) == row.id,
                    col(Deployment.status) == DeploymentStatus.PENDING,
                )
            )
        raise
    except (NodeUnavailable, PlatformError, RPCError) as error:
        log.warning("deployments.left_to_sweep", deployment_id=row.id, error=str(error)[:300])
    return row.id


async def _record(use: Services, app: App, row: Deployment) -> None:
    """Writes the row under the lock of its user, so that two requests cannot pass the limit."""
    async with use.database.session() as session:
        owner = await locked_owner(session, app.user_id)
        if row.kind != DeploymentKind.STOP and not owner.is_admin:
            going_live = exists().where(
                col(Deployment.app_id) == App.id,
                col(Deployment.status).in_((DeploymentStatus.PENDING, DeploymentStatus.RUNNING)),
                col(Deployment.kind) != DeploymentKind.STOP,
            )
            others = (
                select(func.count())
                .select_from(App)
                .where(App.user_id == app.user_id, App.id != app.id)
                .where(or_(col(App.live_deployment_id).is_not(None), going_live))
            )
            if (await session.exec(others)).one() >= use.settings.max_live:
                raise LimitReached(
                    f"{use.settings.max_live} of your apps are live, which is the limit",
                    code=ErrorCode.LIVE_LIMIT,
                    values={"limit": use.settings.max_live},
                    hint="stop or delete one first",
                )
        if row.digest is not None:
            await _refuse_pruned(session, row)
        session.add(row)


async def _refuse_pruned(session: AsyncSession, row: Deployment) -> None:
    """The image that the row starts from is kept, and stays so once the row names it.

    Pruning marks images under the app's lock, and spares what a row under way names: what it took
    since the source was read is seen here, and what it takes next, it takes after this commit.
    """
    await get_app(session, row.app_id, lock=True)
    source = await get_deployment(session, row.source_deployment_id)
    if source is not None and source.image_gone:
        raise _pruned(source)


async def locked_owner(session: AsyncSession, user_id: int) -> User:
    """The user's row, locked until the commit; limits do not hold for an administrator's own apps.

    Raises Conflict once the account is being deleted: nothing new of it is begun.
    """
    query = select(User).where(User.id == user_id).with_for_update()
    owner = (await session.exec(query)).first()
    if owner is None or await session.get(AccountDeletion, user_id) is not None:
        raise Conflict(
            "the account is being deleted",
            code=ErrorCode.ACCOUNT_DELETING,
            hint="make a new one when it is gone",
        )
    return owner


async def source_of_rollback(use: Services, app: App, deployment_id: int | None) -> Deployment:
    """The named release, else the one before the live one. Raises Conflict when there is none."""
    releases = select(Deployment).where(
        Deployment.app_id == app.id,
        Deployment.status == DeploymentStatus.SUCCEEDED,
        Deployment.kind != DeploymentKind.REPAIR,
        col(Deployment.digest).is_not(None),
    )
    async with use.database.session() as session:
        if deployment_id is None:
            current = (
                await session.exec(
                    releases.where(Deployment.id == app.live_deployment_id)
                    if app.live_deployment_id is not None
                    else releases.order_by(col(Deployment.id).desc())
                )
            ).first()
            if current is None:
                raise Conflict(
                    "there is no release to roll back from",
                    code=ErrorCode.NO_RELEASE,
                    hint="deploy first",
                )
            found = (
                await session.exec(
                    releases.where(
                        col(Deployment.id) < current.id,
                        Deployment.digest != current.digest,
                        col(Deployment.image_gone).is_(False),
                    ).order_by(col(Deployment.id).desc())
                )
            ).first()
            if found is None:
                raise Conflict(
                    "there is no earlier release whose image is kept",
                    code=ErrorCode.NO_EARLIER_RELEASE,
                )
            return found
        named = (
            await session.exec(
                select(Deployment).where(
                    Deployment.app_id == app.id, Deployment.id == deployment_id
                )
            )
        ).first()
    return _startable(named, deployment_id)


def _startable(row: Deployment | None, deployment_id: int) -> Deployment:
    if row is None:
        raise NotFound(
            f"this app has no deployment {deployment_id}",
            code=ErrorCode.DEPLOYMENT_MISSING,
            values={"id": deployment_id},
            hint="see `studio deployments`",
            field="deployment_id",
        )
    if row.image_gone:
        raise _pruned(row)
    if row.status != DeploymentStatus.SUCCEEDED or row.digest is None:
        raise Conflict(
            f"deployment {deployment_id} never became a release",
            code=ErrorCode.NEVER_RELEASED,
            values={"id": deployment_id},
        )
    return row


def _pruned(row: Deployment) -> Conflict:
    assert row.id is not None
    return Conflict(
        f"the image of deployment {row.id} was pruned",
        code=ErrorCode.IMAGE_PRUNED,
        values={"id": row.id},
        hint="deploy its commit again" if row.commit is None else f"deploy --ref {row.commit}",
    )


async def release_to_start(use: Services, app: App) -> Deployment:
    """The release that was live last. Raises Conflict when there is none to start again."""
    assert app.id is not None
    async with use.database.session() as session:
        found = await last_release(session, app.id)
    if found is None:
        raise Conflict(
            "there is no release to start", code=ErrorCode.NO_RELEASE, hint="deploy first"
        )
    return found


def new_row(app: App, kind: DeploymentKind, ref: str = "main") -> Deployment:
    assert app.id is not None
    return Deployment(app_id=app.id, user_id=app.user_id, kind=kind, ref=ref)


def from_release(app: App, kind: DeploymentKind, source: Deployment) -> Deployment:
    """A row that starts ``source``'s image again, if it has one that is kept."""
    row = new_row(app, kind, source.ref)
    row.source_deployment_id = source.id
    row.commit = source.commit
    if source.digest is not None and not source.image_gone:
        row.repository = source.repository
        row.digest = source.digest
        row.build_key = source.build_key
        row.port = source.port
        row.health_path = source.health_path
    return row
