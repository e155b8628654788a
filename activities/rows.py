"""Rows of the records: reading them by what they are, writing parts of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Update, bindparam
from sqlalchemy.dialects.mysql import Insert, insert
from sqlmodel import SQLModel, col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.contracts.base import DeploymentKind, DeploymentStatus, Release, StageStatus
from activities.contracts.records import Progress
from ops.db.tables import App, Deployment, DeploymentStage
from ops.errors import NotFound

UNDER_WAY = (DeploymentStatus.PENDING, DeploymentStatus.RUNNING)


async def get_app(session: AsyncSession, app_id: int, *, lock: bool = False) -> App:
    app = await session.get(App, app_id, with_for_update=lock or None)
    if app is None:
        raise NotFound(f"there is no app {app_id}")
    return app


async def get_deployment(session: AsyncSession, deployment_id: int | None) -> Deployment | None:
    return None if deployment_id is None else await session.get(Deployment, deployment_id)


async def last_release(session: AsyncSession, app_id: int) -> Deployment | None:
    """The release that was live last and whose image is kept."""
    query = (
        select(Deployment)
        .where(
            Deployment.app_id == app_id,
            Deployment.status == DeploymentStatus.SUCCEEDED,
            Deployment.kind != DeploymentKind.REPAIR,
            col(Deployment.digest).is_not(None),
            col(Deployment.image_gone).is_(False),
        )
        .order_by(col(Deployment.live_at).desc(), col(Deployment.id).desc())
        .limit(1)
    )
    return (await session.exec(query)).first()


async def done_after(session: AsyncSession, row: Deployment) -> int | None:
    """The newest deployment of an app that was asked for after this one, and carried out."""
    assert row.id is not None
    query = select(func.max(Deployment.id)).where(
        Deployment.app_id == row.app_id,
        col(Deployment.id) > row.id,
        Deployment.kind != DeploymentKind.REPAIR,
        Deployment.status == DeploymentStatus.SUCCEEDED,
    )
    return (await session.exec(query)).one()


async def without_log(session: AsyncSession, app_id: int, keep: int) -> Sequence[int]:
    """The deployments of an app that have ended and are not among its newest ``keep``."""
    newest = (
        select(Deployment.id)
        .where(Deployment.app_id == app_id)
        .order_by(col(Deployment.id).desc())
        .limit(keep)
    )
    oldest_kept = select(func.min(newest.subquery().c.id)).scalar_subquery()
    query = select(Deployment.id).where(
        Deployment.app_id == app_id,
        col(Deployment.id) < oldest_kept,
        col(Deployment.status).not_in(UNDER_WAY),
    )
    return [found for found in (await session.exec(query)).all() if found is not None]


async def put_progress(session: AsyncSession, progress: Progress) -> bool:
    """Writes a snapshot into its deployment's row; False when a newer one is there or it has ended.

    A deployment waits for each of its snapshots, so this and ``put_stages`` are one statement each.
    """
    values: dict[str, Any] = {"version": progress.version, "status": progress.status.value}
    if progress.commit:
        values["commit"] = progress.commit
    if progress.removed:
        values["removed"] = progress.removed
    if progress.error is not None:
        values["error"] = progress.error.model_dump(mode="json")
    if progress.status.ended:
        values["ended_at"] = naive(progress.ended_at or datetime.now(UTC))
    written = await (await session.connection()).execute(
        _unless_newer(frozenset(values)),
        {"of": progress.deployment_id, "newest": progress.version, **values},
    )
    return written.rowcount == 1


@cache
def _unless_newer(changed: frozenset[str]) -> Update:
    """Made once: to make such a statement takes as long as to carry it out."""
    table = SQLModel.metadata.tables["deployments"]
    return (
        table.update()
        .where(
            table.c.id == bindparam("of"),
            table.c.version < bindparam("newest"),
            table.c.status.in_(UNDER_WAY),
        )
        .values({name: bindparam(name) for name in changed})
    )


@cache
def _put_stage() -> Insert:
    put = insert(SQLModel.metadata.tables["deployment_stages"])
    new = put.inserted
    changed = ("status", "attempt", "host", "started_at", "ended_at", "error", "report")
    return put.on_duplicate_key_update({name: new[name] for name in changed})


async def put_stages(session: AsyncSession, progress: Progress) -> None:
    if not progress.stages:
        return
    await (await session.connection()).execute(
        _put_stage(),
        [
            {
                "deployment_id": progress.deployment_id,
                "name": stage.name.value,
                "status": stage.status.value,
                "attempt": stage.attempt,
                "host": stage.host,
                "started_at": naive(stage.started_at),
                "ended_at": naive(stage.ended_at) if stage.ended_at else None,
                "error": stage.error,
                "report": stage.report.model_dump(mode="json") if stage.report else None,
            }
            for stage in progress.stages
        ],
    )


async def close_stages(session: AsyncSession, deployment: Deployment) -> None:
    """Nothing runs any more of a deployment that was ended by force."""
    assert deployment.id is not None
    for row in await stages_of(session, deployment.id):
        if row.status == StageStatus.RUNNING:
            row.status = StageStatus.CANCELLED
            row.ended_at = deployment.ended_at


async def stages_of(session: AsyncSession, deployment_id: int) -> Sequence[DeploymentStage]:
    query = select(DeploymentStage).where(DeploymentStage.deployment_id == deployment_id)
    return (await session.exec(query)).all()


def put_release(row: Deployment, release: Release) -> None:
    row.repository = release.repository
    row.digest = release.digest
    row.commit = release.commit or row.commit
    row.port = release.port
    row.health_path = release.health_path
    row.image_gone = False


def naive(at: datetime) -> datetime:
    """UTC without a zone, as the tables keep times."""
    return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at
