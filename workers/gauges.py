"""How the platform is, as control's records say: read every few seconds for Prometheus."""

from __future__ import annotations

import asyncio

import structlog
from sqlmodel import col, func, select

from activities.contracts.base import DeploymentKind, DeploymentStatus
from activities.contracts.nodes import NodeStatus
from activities.rows import UNDER_WAY
from ops.db.session import Database
from ops.db.tables import App, Deployment, NodeRow, OwedUndoRow
from ops.metrics import REPORT_SECONDS, Metrics, metrics

log = structlog.get_logger()


async def report_records(database: Database) -> None:
    """Runs for as long as control does; a database that is away is waited for."""
    ends = [status for status in DeploymentStatus if status.ended]
    metrics().know_deployments(list(DeploymentKind), ends)
    while True:
        try:
            await report_once(database, metrics())
        except Exception as error:
            log.warning("gauges.failed", error=f"{type(error).__name__}: {error}"[:300])
        await asyncio.sleep(REPORT_SECONDS)


async def report_once(database: Database, tell: Metrics) -> None:
    counted = (
        select(Deployment.status, func.count())
        .where(col(Deployment.status).in_(UNDER_WAY))
        .group_by(col(Deployment.status))
    )
    live = select(func.count()).select_from(App).where(col(App.live_deployment_id).is_not(None))
    owed_by = (
        select(OwedUndoRow.node_id, func.count())
        .where(col(OwedUndoRow.done_at).is_(None))
        .group_by(col(OwedUndoRow.node_id))
    )
    async with database.session() as session:
        under_way = dict((await session.exec(counted)).all())
        owed = dict((await session.exec(owed_by)).all())
        apps = (await session.exec(live)).one()
        nodes = (await session.exec(select(NodeRow))).all()
    for status in UNDER_WAY:
        tell.deployments_under_way(status, under_way.get(status, 0))
    tell.apps_live(apps)
    for node in nodes:
        tell.node(
            node.node_id,
            node.role,
            up=node.status == NodeStatus.UP,
            draining=node.draining,
            owed=owed.get(node.node_id, 0),
        )
