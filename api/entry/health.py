"""Whether the API lives, and whether it can do its work."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from fastapi import APIRouter
from sqlalchemy.exc import DBAPIError
from sqlmodel import select
from temporalio.service import RPCError

from api.entry.deps import Use
from api.entry.problems import errors
from api.entry.schemas_deployments import Health, Ready
from ops.errors import NodeUnavailable

router = APIRouter(prefix="/api/health", tags=["health"])

PATIENCE = 2.0


@router.get("/live")
async def live() -> Health:
    return Health()


@router.get("/ready", responses=errors(503))
async def ready(use: Use) -> Ready:
    """503 names what is away."""
    try:
        async with asyncio.timeout(PATIENCE), use.database.session() as session:
            await session.exec(select(1))
    except (DBAPIError, OSError, TimeoutError):
        raise NodeUnavailable("MySQL does not answer") from None
    try:
        healthy = await use.temporal.service_client.check_health(
            timeout=timedelta(seconds=PATIENCE)
        )
    except (RPCError, NodeUnavailable):
        healthy = False
    if not healthy:
        raise NodeUnavailable("Temporal does not answer")
    return Ready()
