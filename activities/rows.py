"""Rows of the records: reading them by what they are, writing parts of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.contracts import (
    DeploymentKind,
    DeploymentStatus,
    Progress,
    Release,
    StageStatus,
)
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


async def put_stages(session: AsyncSession, progress: Progress) -> None:
    rows = {row.name: row for row in await stages_of(session, progress.deployment_id)}
    for stage in progress.stages:
        row = rows.get(stage.name) or DeploymentStage(
            deployment_id=progress.deployment_id,
            name=stage.name,
            status=stage.status,
            started_at=naive(stage.started_at),
        )
        row.status = stage.status
        row.attempt = stage.attempt
        row.host = stage.host
        row.started_at = naive(stage.started_at)
        row.ended_at = naive(stage.ended_at) if stage.ended_at else None
        row.error = stage.error
        session.add(row)


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
