"""What control records of nodes, and how it compares a node with the records."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from sqlmodel import and_, col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.boundary import reports_errors
from activities.contracts.base import DeploymentKind, DeploymentStatus
from activities.contracts.nodes import RECONCILE, RECORD_NODE, Inventory, NodeRecord, Reconciliation
from activities.reconcile import (
    AppView,
    View,
    a_few_at_once,
    apps_held,
    nothing_left,
    reconcile,
)
from activities.rows import UNDER_WAY
from ops.db.session import Database
from ops.db.tables import App, Deployment, NodeRow, OwedUndoRow, Workspace, now
from ops.settings import Settings

SETTLED = timedelta(seconds=3)
"""A deployment that ended later than this may have changed the node after it was looked at."""

REPAIR_PAUSE = timedelta(minutes=5)
"""After a repair that failed, the next one is asked for this much later."""

REPAIR_TAKES = timedelta(minutes=2)
"""One that takes longer, or never begins, no longer keeps others of its node waiting."""


class NodeRecords:
    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    @activity.defn(name=RECORD_NODE.name)
    @reports_errors
    async def record_node(self, record: NodeRecord) -> None:
        """How a node is. Whether it drains is an administrator's matter and stays as it is."""
        async with self._database.session() as session:
            row = await session.get(NodeRow, record.node_id, with_for_update=True)
            if row is None:
                row = NodeRow(node_id=record.node_id, role=record.role, status=record.status)
                session.add(row)
            if row.status != record.status:
                row.changed_at = now()
            row.role = record.role
            row.status = record.status
            row.reason = record.reason[:255]
            row.boot_id = record.boot_id or row.boot_id
            if record.figures is not None:
                row.figures = record.figures.model_dump()

    @activity.defn(name=RECONCILE.name)
    @reports_errors
    async def reconcile(self, inventory: Inventory) -> Reconciliation:
        """What has to be done on a node; also notes what it owed and has done meanwhile."""
        async with self._database.session() as session:
            view = await _view(session, inventory)
            todo = reconcile(inventory, view)
            owed = select(OwedUndoRow).where(
                OwedUndoRow.node_id == inventory.node_id, col(OwedUndoRow.done_at).is_(None)
            )
            for row in await session.exec(owed):
                if nothing_left(inventory, view, todo, row.app_id, row.deployment_id):
                    row.done_at = now()
            return a_few_at_once(todo, view)


async def _view(session: AsyncSession, inventory: Inventory) -> View:
    query = select(App).where(
        or_(
            col(App.id).in_(apps_held(inventory)),
            and_(col(App.node_id) == inventory.node_id, col(App.live_deployment_id).is_not(None)),
        )
    )
    apps = [app for app in await session.exec(query) if app.id is not None]
    lately = await _lately(session, [app.id for app in apps if app.id is not None])
    checkouts = await session.exec(
        select(Deployment.id, Deployment.app_id, Deployment.status).where(
            col(Deployment.id).in_(inventory.checkouts)
        )
    )
    rows = checkouts.all()
    workspaces = await session.exec(
        select(Workspace.user_id).where(Workspace.node_id == inventory.node_id)
    )
    return View(
        apps={
            app.id: AppView(
                live=_live_here(app, inventory.node_id),
                busy=app.deleting or app.id in lately.at_work,
                repairing=app.id in lately.repairing,
                repaired=app.id in lately.repaired,
                repair_failed=app.id in lately.repair_failed,
            )
            for app in apps
            if app.id is not None
        },
        under_way=frozenset(row[0] for row in rows if row[0] is not None and row[2] in UNDER_WAY),
        app_of={row[0]: row[1] for row in rows if row[0] is not None},
        workspaces=frozenset(workspaces.all()),
    )


def _live_here(app: App, node_id: str) -> int | None:
    here = app.node_id == node_id and not app.stopped
    return app.live_deployment_id if here else None


@dataclass
class _Lately:
    """Apps with a deployment under way or just ended; with a repair that is under way and young; with
    one that has ended; with one that has failed."""

    at_work: set[int] = field(default_factory=set)
    repairing: set[int] = field(default_factory=set)
    repaired: set[int] = field(default_factory=set)
    repair_failed: set[int] = field(default_factory=set)


async def _lately(session: AsyncSession, app_ids: list[int]) -> _Lately:
    at = now()
    since = func.coalesce(col(Deployment.ended_at), col(Deployment.created_at))
    rows = await session.exec(
        select(Deployment.app_id, Deployment.kind, Deployment.status, since).where(
            col(Deployment.app_id).in_(app_ids),
            or_(
                col(Deployment.status).in_(UNDER_WAY),
                col(Deployment.ended_at) > at - REPAIR_PAUSE,
            ),
        )
    )
    lately = _Lately()
    for app_id, kind, status, since_when in rows:
        under_way = status in UNDER_WAY
        if under_way or since_when > at - SETTLED:
            lately.at_work.add(app_id)
        if kind != DeploymentKind.REPAIR:
            continue
        if not under_way:
            lately.repaired.add(app_id)
        elif since_when > at - REPAIR_TAKES:
            lately.repairing.add(app_id)
        if status == DeploymentStatus.FAILED:
            lately.repair_failed.add(app_id)
    return lately
