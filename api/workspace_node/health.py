"""How this host and one user's container are, for the doctor."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.workspace_node.state import Here, UserId
from ops.engine_ping import container_trouble, trouble
from ops.names import DEV_PORT, workspace_container

router = APIRouter()

CONNECT_SECONDS = 1.5


class Health(BaseModel):
    """What is wrong with each; empty when nothing is."""

    engine: str
    container: str = ""
    preview: str = ""


@router.get("/health")
async def health(
    user_id: UserId, here: Here, slot: Annotated[int | None, Query(ge=0)] = None
) -> Health:
    """``slot``: of this user's workspace, when its dev server is to be looked for."""
    socket = here.settings.docker_socket
    engine = await asyncio.to_thread(trouble, socket)
    if engine:
        return Health(engine=engine)
    name = here.settings.name_prefix + workspace_container(user_id)
    return Health(
        engine="",
        container=await asyncio.to_thread(container_trouble, socket, name),
        preview="" if slot is None else await _listens(str(here.node.slot_address(slot))),
    )


async def _listens(address: str) -> str:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(address, DEV_PORT)
            writer.close()
    except (OSError, TimeoutError) as error:
        return f"nothing listens on port {DEV_PORT} ({type(error).__name__})"
    return ""
