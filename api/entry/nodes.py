"""For administrators: the hosts, and what is placed on them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated

import structlog
from fastapi import APIRouter, Path
from sqlmodel import col, func, select
from temporalio.service import RPCError

from activities.contracts.nodes import WATCH, DownReason, Figures, NodeRole, NodeStatus
from api.entry.deps import Admin, Use
from api.entry.problems import errors
from api.entry.schemas_admin import AdminWorkspace, NodeOut, Placed, PlacedApp
from api.entry.services import Services
from ops.db.tables import App, NodeRow, User, Workspace
from ops.error_codes import ErrorCode
from ops.errors import NodeUnavailable, NotFound
from ops.settings import Node
from workflows import commands, ids
from workflows.messages import DrainOrder

router = APIRouter(prefix="/api", tags=["administrators"])
log = structlog.get_logger()

DESCRIBE = timedelta(seconds=2)
NodeId = Annotated[str, Path(max_length=50, examples=["runtime-102"])]


@router.get("/nodes", responses=errors(401, 403, 503))
async def list_nodes(_: Admin, use: Use) -> list[NodeOut]:
    """Every host that this installation has, with its live figures."""
    async with use.database.session() as session:
        rows = {row.node_id: row for row in await session.exec(select(NodeRow))}
        placed = {
            node_id: count
            for what in (App.node_id, Workspace.node_id)
            for node_id, count in await session.exec(
                select(what, func.count()).where(col(what).is_not(None)).group_by(col(what))
            )
        }
    figures = await asyncio.gather(
        *(live_figures(use, node.node_id) for node in use.settings.nodes)
    )
    return [
        _described(use, node, rows.get(node.node_id), live, placed.get(node.node_id, 0))
        for node, live in zip(use.settings.nodes, figures, strict=True)
    ]


@router.get("/admin/nodes/{node_id}/placements", responses=errors(401, 403, 404, 422, 503))
async def list_placements(node_id: NodeId, _: Admin, use: Use) -> Placed:
    """The apps and workspaces that a host was given; they stay when it drains."""
    node = _known(use, node_id)
    apps = (
        select(App, User.email)
        .where(App.user_id == User.id, App.node_id == node.node_id)
        .order_by(col(App.id))
    )
    workspaces = (
        select(Workspace, User.email)
        .where(Workspace.user_id == User.id, Workspace.node_id == node.node_id)
        .order_by(col(Workspace.user_id))
    )
    async with use.database.session() as session:
        return Placed(
            node_id=node.node_id,
            apps=[PlacedApp.of(app, email) for app, email in await session.exec(apps)],
            workspaces=[
                AdminWorkspace.of(use.settings, row, email)
                for row, email in await session.exec(workspaces)
            ],
        )


@router.post("/nodes/{node_id}/drain", responses=errors(401, 403, 404, 503))
async def drain(node_id: NodeId, _: Admin, use: Use) -> NodeOut:
    """Nothing new is placed on the host; what runs there stays."""
    return await _set_draining(use, node_id, draining=True)


@router.post("/nodes/{node_id}/undrain", responses=errors(401, 403, 404, 503))
async def undrain(node_id: NodeId, _: Admin, use: Use) -> NodeOut:
    """The host takes new work again."""
    return await _set_draining(use, node_id, draining=False)


async def _set_draining(use: Services, node_id: str, *, draining: bool) -> NodeOut:
    node = _known(use, node_id)
    async with use.database.session() as session:
        row = await session.get(NodeRow, node_id, with_for_update=True) or NodeRow(
            node_id=node_id, role=node.role, status=NodeStatus.DOWN, reason=DownReason.UNSEEN
        )
        row.draining = draining
        session.add(row)
        placed = await session.exec(
            select(func.count())
            .select_from(Workspace if node.role == "workspace" else App)
            .where((Workspace if node.role == "workspace" else App).node_id == node_id)
        )
    try:
        await commands.drain(use.temporal, node_id, DrainOrder(draining=draining))
    except (RPCError, NodeUnavailable) as error:
        # What counts is the record, which placements read; the workflow only shows it.
        log.warning("nodes.drain_not_told", node_id=node_id, error=str(error)[:200])
    return _described(use, node, row, await live_figures(use, node_id), placed.one())


def _known(use: Services, node_id: str) -> Node:
    for node in use.settings.nodes:
        if node.node_id == node_id:
            return node
    known = ", ".join(node.node_id for node in use.settings.nodes)
    raise NotFound(
        f"no host is named {node_id}",
        code=ErrorCode.HOST_UNKNOWN,
        values={"node": node_id},
        hint=f"one of: {known}",
    )


def _described(
    use: Services, node: Node, row: NodeRow | None, live: Figures | None, placed: int
) -> NodeOut:
    status = NodeStatus(row.status) if row else NodeStatus.DOWN
    draining = row is not None and row.draining
    if draining and status is NodeStatus.UP:
        status = NodeStatus.DRAINING
    reason = row.reason if row else DownReason.UNSEEN
    recorded = Figures.model_validate(row.figures) if row and row.figures else None
    return NodeOut(
        node_id=node.node_id,
        role=NodeRole(node.role),
        status=status,
        reason=reason,
        reason_code=DownReason.code(reason),
        draining=draining,
        figures=live or recorded,
        live=live is not None,
        placed=placed,
        changed_at=row.changed_at if row else None,
        temporal_url=use.settings.workflow_url(ids.node_workflow(node.node_id)),
    )


async def live_figures(use: Services, node_id: str) -> Figures | None:
    """What the node's watch said last in its heartbeat; None when there is no watch to ask."""
    client = use.temporal_client
    if client is None:
        return None
    try:
        described = await client.get_workflow_handle(ids.node_workflow(node_id)).describe(
            rpc_timeout=DESCRIBE
        )
        for pending in described.raw_description.pending_activities:
            if pending.activity_type.name == WATCH.name and pending.heartbeat_details.payloads:
                found = await client.data_converter.decode(
                    pending.heartbeat_details.payloads, [Figures]
                )
                return found[0] if isinstance(found[0], Figures) else None
    except (RPCError, ValueError, RuntimeError) as error:
        log.debug("nodes.no_live_figures", node_id=node_id, error=str(error)[:200])
    return None
