"""``node-{nodeId}``: UP, DOWN and back, against a real Temporal server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

import pytest_asyncio
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from activities import contracts as c
from tests.workflows.test_deploy import eventually
from workers.control_workflows import WORKFLOWS
from workers.lifecycle import say_hello
from workflows import ids

NODE = "runtime-102"


@dataclass
class Host:
    """A node whose worker can be ended gracefully, or fall silent (``dead``)."""

    dead: bool = False
    shutting_down: bool = False
    records: list[c.NodeRecord] = field(default_factory=list)
    todo: c.Reconciliation = field(default_factory=c.Reconciliation)
    removed: list[str] = field(default_factory=list)
    repairs: list[int] = field(default_factory=list)

    def statuses(self) -> list[str]:
        return [record.status.value for record in self.records]

    @activity.defn(name=c.PROBE.name)
    async def probe(self, given: c.NodeInfo) -> c.Figures:
        while self.dead:
            await asyncio.sleep(0.05)
        return c.Figures(disk_free=1)

    @activity.defn(name=c.WATCH.name)
    async def watch(self, given: c.NodeInfo) -> c.WatchEnd:
        while not self.shutting_down:
            if not self.dead:
                activity.heartbeat(c.Figures(disk_free=1))
            await asyncio.sleep(0.05)
        return c.WatchEnd(reason="shutdown")

    @activity.defn(name=c.INVENTORY.name)
    async def inventory(self, given: c.NodeInfo) -> c.Inventory:
        return c.Inventory(node_id=NODE)

    @activity.defn(name=c.RECONCILE.name)
    async def reconcile(self, given: c.Inventory) -> c.Reconciliation:
        todo, self.todo = self.todo, c.Reconciliation()
        return todo

    @activity.defn(name=c.REMOVE_CONTAINER.name)
    async def remove_container(self, given: c.RemoveInput) -> c.Confirmed:
        self.removed.append(given.container)
        return c.Confirmed(gone=[given.container])

    @activity.defn(name=c.REMOVE_ROUTE.name)
    async def remove_route(self, given: c.RouteRef) -> c.Confirmed:
        self.removed.append(f"route {given.app_id}")
        return c.Confirmed(gone=[])

    @activity.defn(name=c.ASK_REPAIR.name)
    async def ask_repair(self, given: c.Repair) -> c.DeploymentRef:
        self.repairs.append(given.app_id)
        return c.DeploymentRef(deployment_id=1, app_id=given.app_id)

    @activity.defn(name=c.RECORD_NODE.name)
    async def record_node(self, given: c.NodeRecord) -> None:
        self.records.append(given)


@pytest_asyncio.fixture
async def host(client: Client) -> AsyncIterator[Host]:
    host = Host()
    async with AsyncExitStack() as stack:
        for queue in (ids.CONTROL_QUEUE, NODE):
            worker = Worker(
                client,
                task_queue=queue,
                workflows=WORKFLOWS if queue == ids.CONTROL_QUEUE else [],
                activities=[
                    host.probe,
                    host.watch,
                    host.inventory,
                    host.reconcile,
                    host.remove_container,
                    host.remove_route,
                    host.ask_repair,
                    host.record_node,
                ],
                max_heartbeat_throttle_interval=timedelta(seconds=0.1),
            )
            await stack.enter_async_context(worker)
        yield host
        host.dead = False
        host.shutting_down = True


async def test_hello_brings_a_node_up_and_reconciles_it(client: Client, host: Host) -> None:
    host.todo = c.Reconciliation(
        remove_containers=[c.RemoveInput(app_id=1, container="app-1-9")],
        remove_routes=[4],
        repairs=[c.Repair(app_id=2, why="its container is missing")],
    )
    await say_hello(client, NODE, c.NodeRole.RUNTIME)
    await eventually(lambda: host.repairs == [2])
    assert host.statuses() == ["UP"]
    assert host.removed == ["route 4", "app-1-9"]


async def test_a_silent_node_is_down_within_20_seconds_and_up_on_hello(
    client: Client, host: Host
) -> None:
    await say_hello(client, NODE, c.NodeRole.RUNTIME)
    await eventually(lambda: host.statuses() == ["UP"])
    host.dead = True
    await eventually(lambda: host.statuses()[-1] == "DOWN", seconds=20)
    host.dead = False
    await say_hello(client, NODE, c.NodeRole.RUNTIME)
    await eventually(lambda: host.statuses()[-1] == "UP", seconds=5)


async def test_a_worker_that_is_back_at_once_is_never_down(client: Client, host: Host) -> None:
    await say_hello(client, NODE, c.NodeRole.RUNTIME)
    await eventually(lambda: host.statuses() == ["UP"])
    await say_hello(client, NODE, c.NodeRole.RUNTIME)
    await eventually(lambda: host.statuses() == ["UP", "UP"])


async def test_a_graceful_stop_is_down_at_once(client: Client, host: Host) -> None:
    await say_hello(client, NODE, c.NodeRole.RUNTIME)
    await eventually(lambda: host.statuses() == ["UP"])
    host.shutting_down = True
    host.dead = True
    await eventually(lambda: host.statuses()[-1] == "DOWN", seconds=3)
