"""How a worker process lives: it starts its parts, waits for a signal, and stops them in order."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack

import structlog
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.worker import Worker

from activities.contracts.nodes import NodeInfo, NodeRole
from workflows import ids
from workflows.messages import NodeState
from workflows.node_heartbeat import NodeHeartbeat
from workflows.policies import NODE_ID

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


async def say_hello(client: Client, node_id: str, role: NodeRole) -> None:
    """Tell ``node-{nodeId}`` that a worker of it has just started."""
    info = NodeInfo(node_id=node_id, role=role, boot_id=uuid.uuid4().hex)
    await client.start_workflow(
        NodeHeartbeat.run,
        NodeState(info=info),
        id=ids.node_workflow(node_id),
        task_queue=ids.CONTROL_QUEUE,
        start_signal="hello",
        start_signal_args=[info],
        static_summary=f"is {node_id} up, and does it match the records?",
        search_attributes=TypedSearchAttributes([SearchAttributePair(NODE_ID, node_id)]),
    )
