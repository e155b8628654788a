"""Open connections to what runs in workspaces: a socket of a hot reload, or of VS Code, is use,
although it is quiet.

The gateway on this host opens them. Those of guests (share links) come from the service address,
and keep nothing running.
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address

import structlog

from activities.boundary import in_thread
from activities.contracts.workspace import DEV_PORT
from activities.listening import established
from api.workspace_node.state import State
from ops.errors import StudioError
from ops.names import CODE_PORT
from ops.settings import Node

LOOK_SECONDS = 20.0

log = structlog.get_logger()


def looked_at(
    connections: set[tuple[IPv4Address, IPv4Address]],
    users: dict[IPv4Address, int],
    guests: IPv4Address,
) -> set[int]:
    """Users whose preview somebody has a connection to, who is no guest."""
    return {users[other] for own, other in connections if other in users and own != guests}


async def watch(state: State, node: Node) -> None:
    """Tells workspaces that they are used for as long as somebody looks at what runs in them."""
    while True:
        try:
            users = await state.execs.addresses(node)
            connections = await in_thread(established, DEV_PORT, CODE_PORT)
            for user_id in looked_at(connections, users, state.settings.service_address):
                state.touch(user_id)
        except (StudioError, OSError) as error:
            log.warning("sockets.not_seen", error=str(error))
        await asyncio.sleep(LOOK_SECONDS)
