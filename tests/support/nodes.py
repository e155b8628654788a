"""How hosts are seen by the platform, and waiting until something holds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from temporalio.client import Client

from workflows import ids


async def status(client: Client, node_id: str) -> str:
    """UP, DOWN … as the node's own workflow has it."""
    handle = client.get_workflow_handle(ids.node_workflow(node_id))
    return str(await handle.query("status", result_type=str))


async def until(holds: Callable[[], Awaitable[bool]], seconds: float, what: str) -> None:
    """Wait for a condition; on time-out the failure says for which."""
    try:
        async with asyncio.timeout(seconds):
            while not await holds():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None
