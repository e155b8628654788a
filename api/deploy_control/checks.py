"""What only this host may reach, looked at for the doctor: app hosts' agents and app data's servers."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from fastapi import APIRouter
from pydantic import BaseModel
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from api.deploy_control.auth import AnEntry
from api.deploy_control.state import AState
from ops.error_codes import ErrorCode
from ops.errors import NodeUnavailable, NotFound
from ops.settings import Settings

router = APIRouter(tags=["checks"])

SECONDS = 1.5


class DataServers(BaseModel):
    """Why each cannot be used; empty when it can."""

    postgresql: str
    mongo: str


@router.get("/checks/data")
async def data_servers(entry: AnEntry, state: AState) -> DataServers:
    postgresql, mongo = await asyncio.gather(
        _listens(state.settings.ports.postgres), _mongo(state.settings)
    )
    return DataServers(postgresql=postgresql, mongo=mongo)


@router.get("/checks/nodes/{node_id}")
async def node(
    node_id: str, entry: AnEntry, state: AState, app_id: int | None = None
) -> dict[str, Any]:
    """What an app host's agent says of itself, and of one app. Raises NodeUnavailable when it is away."""
    known = next((node for node in state.settings.nodes if node.node_id == node_id), None)
    if known is None or known.role != "runtime":
        raise NotFound(
            f"no app host is named {node_id}",
            code=ErrorCode.HOST_UNKNOWN,
            values={"node": node_id},
        )
    try:
        answer = await state.agents.get(
            f"http://127.0.0.1:{known.agent_port}/health",
            params={} if app_id is None else {"app_id": app_id},
            timeout=3.0,
        )
        answer.raise_for_status()
    except httpx.HTTPError as error:
        why = type(error).__name__
        raise NodeUnavailable(
            f"the agent of {node_id} does not answer ({why})",
            code=ErrorCode.AGENT_AWAY,
            values={"node": node_id, "why": why},
        ) from error
    found: dict[str, Any] = answer.json()
    return found


async def _listens(port: int) -> str:
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
    except (OSError, TimeoutError) as error:
        return f"it does not listen ({type(error).__name__})"
    return ""


async def _mongo(settings: Settings) -> str:
    milliseconds = int(SECONDS * 1000)
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        host=str(settings.service_address),
        port=settings.ports.mongo,
        directConnection=True,
        serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds,
        socketTimeoutMS=milliseconds,
    )
    try:
        await client.admin.command("hello")
    except PyMongoError as error:
        return f"it does not answer ({type(error).__name__})"
    finally:
        await client.close()
    return ""
