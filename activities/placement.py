"""Which runtime node runs an app: the one it is on, else the one with the fewest apps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.boundary import reports_errors
from activities.contracts.nodes import NodeRole, NodeStatus
from activities.contracts.records import PLACE, PlaceInput, Placement
from ops.db.session import Database
from ops.db.tables import App, Deployment, NodeRow
from ops.error_codes import ErrorCode
from ops.errors import NodeUnavailable, NotFound
from ops.settings import Settings


@dataclass(frozen=True)
class Candidate:
    """A node as placement sees it; ``apps`` is how many are on it (or how many workspaces)."""

    node_id: str
    up: bool
    draining: bool
    disk_free: int
    apps: int


def choose(
    candidates: Iterable[Candidate],
    sticky: str | None,
    disk_floor: int,
    *,
    what: str = "app",
    role: NodeRole = NodeRole.RUNTIME,
) -> str:
    """The node for an app (or a workspace). Raises NodeUnavailable when there is none.

    It stays where it is, also on a node that is drained: what runs there stays. A new one goes
    where the fewest are, then where most disk is free, never below the floor.
    """
    nodes = list(candidates)
    if sticky is not None:
        if any(node.node_id == sticky and node.up for node in nodes):
            return sticky
        raise NodeUnavailable(
            f"{sticky}, the host that the {what} is on, is down",
            code=ErrorCode.APP_AWAY if role is NodeRole.RUNTIME else ErrorCode.WORKSPACE_AWAY,
            values={"node": sticky},
            hint="try again when it is back; an administrator sees it in `studio nodes`",
            host=sticky,
        )
    fit = [node for node in nodes if node.up and not node.draining]
    roomy = [node for node in fit if node.disk_free >= disk_floor]
    if roomy:
        return min(roomy, key=lambda node: (node.apps, -node.disk_free, node.node_id)).node_id
    hint = "an administrator sees the hosts in `studio nodes`"
    if fit:
        raise NodeUnavailable(
            f"no {role} host has enough disk left",
            code=ErrorCode.NO_HOST_ROOMY,
            values={"role": role.value},
            hint=hint,
        )
    raise NodeUnavailable(
        f"no {role} host is up",
        code=ErrorCode.NO_HOST_UP,
        values={"role": role.value},
        hint=hint,
    )


def candidate(row: NodeRow, apps: int) -> Candidate:
    """A node as its record has it, with how much is placed on it."""
    return Candidate(
        node_id=row.node_id,
        up=row.status != NodeStatus.DOWN,
        draining=row.draining,
        disk_free=int((row.figures or {}).get("disk_free", 0)),
        apps=apps,
    )


class Placements:
    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    @activity.defn(name=PLACE.name)
    @reports_errors
    async def place(self, given: PlaceInput) -> Placement:
        """Chooses, and records the node with the app and with the deployment."""
        async with self._database.session() as session:
            candidates = await self._candidates(session)
            app = await session.get(App, given.app_id, with_for_update=True)
            if app is None:
                raise NotFound(f"there is no app {given.app_id}")
            floor = self._settings.disk_floor_mb * 1024 * 1024
            app.node_id = choose(candidates, app.node_id, floor)
            row = await session.get(Deployment, given.deployment_id)
            if row is not None:
                row.node_id = app.node_id
            return Placement(node_id=app.node_id)

    async def _candidates(self, session: AsyncSession) -> list[Candidate]:
        """Reads under a lock on the nodes: of ten placed at once, each sees the one before."""
        known = {node.node_id for node in self._settings.nodes}
        rows = await session.exec(
            select(NodeRow).where(NodeRow.role == NodeRole.RUNTIME).with_for_update()
        )
        nodes = [row for row in rows if row.node_id in known]
        counts = await session.exec(
            select(App.node_id, func.count())
            .where(col(App.node_id).is_not(None))
            .group_by(col(App.node_id))
        )
        apps = dict(counts.all())
        return [candidate(row, apps.get(row.node_id, 0)) for row in nodes]
