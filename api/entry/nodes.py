"""For administrators: the hosts, and everybody's deployments."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated

import structlog
from fastapi import APIRouter, Path, Query
from sqlmodel import col, select
from temporalio.service import RPCError

from activities.contracts import WATCH, DeploymentStatus, Figures, NodeRole, NodeStatus
from api.entry.deployments import Before, Limit, described
from api.entry.deps import Admin, Use
from api.entry.problems import errors
from api.entry.schemas_deployments import DeploymentOut, NodeOut
from api.entry.services import Services
from ops.db.tables import App, Deployment, NodeRow
from ops.errors import NotFound
from ops.settings import Node
from workflows import ids

router = APIRouter(prefix="/api", tags=["administrators"])
log = structlog.get_logger()

DESCRIBE = timedelta(seconds=2)
NodeId = Annotated[str, Path(max_length=50, examples=["runtime-102"])]


@router.get("/nodes", responses=errors(401, 403, 503))
async def list_nodes(_: Admin, use: Use) -> list[NodeOut]:
    """Every host that this installation has, with its live figures."""
    async with use.database.session() as session:
        rows = {row.node_id: row for row in await session.exec(select(NodeRow))}
    figures = await asyncio.gather(*(_live(use, node.node_id) for node in use.settings.nodes))
    return [
        _described(node, rows.get(node.node_id), live)
        for node, live in zip(use.settings.nodes, figures, strict=True)
    ]


@router.post("/nodes/{node_id}/drain", responses=errors(401, 403, 404, 503))
async def drain(node_id: NodeId, _: Admin, use: Use) -> NodeOut:
    """Nothing new is placed on the host; what runs there stays."""
    return await _set_draining(use, node_id, draining=True)


@router.post("/nodes/{node_id}/undrain", responses=errors(401, 403, 404, 503))
async def undrain(node_id: NodeId, _: Admin, use: Use) -> NodeOut:
    """The host takes new work again."""
    return await _set_draining(use, node_id, draining=False)


@router.get("/admin/deployments", responses=errors(401, 403, 422, 503))
async def list_all_deployments(
    _: Admin,
    use: Use,
    status: Annotated[list[DeploymentStatus] | None, Query()] = None,
    limit: Limit = 50,
    before: Before = None,
) -> list[DeploymentOut]:
    """Everybody's deployments, the newest first."""
    query = select(App, Deployment).where(Deployment.app_id == App.id)
    if status:
        query = query.where(col(Deployment.status).in_(status))
    if before is not None:
        query = query.where(col(Deployment.id) < before)
    async with use.database.session() as session:
        rows = (await session.exec(query.order_by(col(Deployment.id).desc()).limit(limit))).all()
    return await described(use, list(rows))


async def _set_draining(use: Services, node_id: str, *, draining: bool) -> NodeOut:
    node = next((node for node in use.settings.nodes if node.node_id == node_id), None)
    if node is None:
        known = ", ".join(node.node_id for node in use.settings.nodes)
        raise NotFound(f"no host is named {node_id}", hint=f"one of: {known}")
    async with use.database.session() as session:
        row = await session.get(NodeRow, node_id, with_for_update=True) or NodeRow(
            node_id=node_id, role=node.role, status=NodeStatus.DOWN, reason="not seen yet"
        )
        row.draining = draining
        session.add(row)
    return _described(node, row, await _live(use, node_id))


def _described(node: Node, row: NodeRow | None, live: Figures | None) -> NodeOut:
    status = NodeStatus(row.status) if row else NodeStatus.DOWN
    draining = row is not None and row.draining
    if draining and status is NodeStatus.UP:
        status = NodeStatus.DRAINING
    recorded = Figures.model_validate(row.figures) if row and row.figures else None
    return NodeOut(
        node_id=node.node_id,
        role=NodeRole(node.role),
        status=status,
        reason=row.reason if row else "not seen yet",
        draining=draining,
        figures=live or recorded,
        changed_at=row.changed_at if row else None,
    )


async def _live(use: Services, node_id: str) -> Figures | None:
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
