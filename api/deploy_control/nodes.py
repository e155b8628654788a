"""What a node may know of its own record."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from api.deploy_control.auth import ANode
from api.deploy_control.state import AState
from ops.db.tables import NodeRow

router = APIRouter(tags=["nodes"])


class NodeOut(BaseModel):
    """``draining``: an administrator lets it take nothing new."""

    draining: bool


@router.get("/node")
async def node(node: ANode, state: AState) -> NodeOut:
    """The node that asks. One without a record was never drained."""
    async with state.database.session() as session:
        row = await session.get(NodeRow, node.node_id)
    return NodeOut(draining=row is not None and row.draining)
