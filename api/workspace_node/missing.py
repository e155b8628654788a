"""Containers that went away by themselves, as when the engine was restarted: each is brought back.

A disk that is mounted belongs to a workspace that is open, or that is being opened or closed; where
that lasts without a container, the workspace is asked to go on. One that is closed does nothing then.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog
from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError

from activities.boundary import in_thread
from api.workspace_node.state import State
from ops.errors import Conflict, NotFound, StudioError
from ops.settings import Node
from workflows import workspace_commands

LOOK_SECONDS = 3.0

log = structlog.get_logger()


@dataclass
class Missing:
    """Whom to ask for: once each, and not at the first look, when it may be about to come or go."""

    _before: set[int] = field(default_factory=set)
    _asked: set[int] = field(default_factory=set)

    def look(self, mounted: set[int], running: set[int]) -> set[int]:
        without = mounted - running
        asks = (without & self._before) - self._asked
        self._before = without
        self._asked &= without
        return asks

    def asked(self, user_id: int) -> None:
        self._asked.add(user_id)


async def watch(state: State, node: Node) -> None:
    """For as long as the node serves; an engine that is away tells nothing."""
    missing = Missing()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            running = set((await state.execs.addresses(node)).values())
            asks = missing.look(await in_thread(state.homes.mounted), running)
        except (StudioError, OSError) as error:
            log.debug("missing.look", error=str(error))
            continue
        await asyncio.gather(*(_bring_back(state, missing, user_id) for user_id in asks))


async def _bring_back(state: State, missing: Missing, user_id: int) -> None:
    try:
        await workspace_commands.resume(state.client, user_id)
    except (Conflict, NotFound) as error:
        # A person who leaves, or has left: what is there of theirs goes by another way.
        missing.asked(user_id)
        log.info("missing.left", user_id=user_id, error=str(error)[:300])
    except (StudioError, TimeoutError, RPCError, WorkflowUpdateFailedError) as error:
        log.warning("missing.not_brought_back", user_id=user_id, error=str(error)[:300])
    else:
        missing.asked(user_id)
        log.info("missing.looked_after", user_id=user_id)
