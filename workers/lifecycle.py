"""How a worker process lives: it starts its parts, waits for a signal, and stops them in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
)
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from activities.contracts.nodes import NodeInfo
from ops.errors import StudioError
from workflows import ids
from workflows.messages import NodeState
from workflows.node_heartbeat import NodeHeartbeat
from workflows.policies import NODE_ID

KNOWN_SECONDS = 5.0

Draining = Callable[[], Awaitable[bool]]
"""Whether an administrator lets the node take nothing new. Raises StudioError while nobody knows."""

log = structlog.get_logger()


def stop_event() -> asyncio.Event:
    """Set when the supervisor (or a person) asks this process to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def run_workers(workers: Sequence[Worker], stop: asyncio.Event) -> None:
    """Run workers until ``stop`` is set; each then lets its activities end gracefully."""
    async with AsyncExitStack() as stack:
        for worker in workers:
            await stack.enter_async_context(worker)
        log.info("worker.ready", queues=[worker.task_queue for worker in workers])
        await stop.wait()
        log.info("worker.stopping")
        await asyncio.gather(*(worker.shutdown() for worker in workers))


async def say_hello(client: Client, info: NodeInfo, draining: Draining) -> None:
    """Tell ``node-{nodeId}`` that a worker of it has just started; one that is not there is begun.

    While the deploy control is away nobody knows how it would have to begin: one that runs is told
    all the same, and any other is left to ``stay_known``.
    """
    try:
        await _start(client, info, draining, start_signal="hello", start_signal_args=[info])
    except StudioError as error:
        log.info("node.drains_unknown", error=error.what)
        try:
            await client.get_workflow_handle(ids.node_workflow(info.node_id)).signal("hello", info)
        except RPCError as unknown:
            if unknown.status is not RPCStatusCode.NOT_FOUND:
                raise


async def stay_known(client: Client, info: NodeInfo, draining: Draining) -> None:
    """Forever: whoever ends ``node-{nodeId}`` by hand finds it begun again, and its node as it is.

    Else its last status would stay, true or not, and nothing on the node would be put right.
    """
    while True:
        await asyncio.sleep(KNOWN_SECONDS)
        try:
            await _start(
                client, info, draining, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
            )
        except RPCError as error:
            log.info("node.unknown", error=error.message)
        except StudioError as error:
            log.info("node.drains_unknown", error=error.what)


async def _start(client: Client, info: NodeInfo, draining: Draining, **how: Any) -> None:
    """Raises StudioError when it cannot be told whether the node drains."""
    await client.start_workflow(
        NodeHeartbeat.run,
        NodeState(info=info, draining=await draining()),
        id=ids.node_workflow(info.node_id),
        task_queue=ids.CONTROL_QUEUE,
        static_summary=f"is {info.node_id} up, and does it match the records?",
        search_attributes=TypedSearchAttributes([SearchAttributePair(NODE_ID, info.node_id)]),
        **how,
    )
