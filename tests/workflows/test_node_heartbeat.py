"""``node-{nodeId}``: UP, DOWN and back, against a real Temporal server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

import pytest_asyncio
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from activities.contracts.base import Confirmed, DeploymentRef
from activities.contracts.nodes import (
    ASK_REPAIR,
    INVENTORY,
    PROBE,
    RECONCILE,
    RECORD_NODE,
    REMOVE_ROUTE,
    WATCH,
    Figures,
    Inventory,
    NodeInfo,
    NodeRecord,
    NodeRole,
    Reconciliation,
    Repair,
    WatchEnd,
)
from activities.contracts.runtime import REMOVE_CONTAINER, RemoveInput, RouteRef
from activities.contracts.workspace import REMOVE_WORKSPACE, WorkspaceRef
from tests.workflows.test_deploy import eventually
from workers.control_workflows import WORKFLOWS
from workers.lifecycle import say_hello
from workflows import commands, ids
from workflows.messages import DrainOrder

NODE = "runtime-102"


@dataclass
class Host:
    """A node whose worker can be ended gracefully, or fall silent (``dead``)."""

    dead: bool = False
    shutting_down: bool = False
    records: list[NodeRecord] = field(default_factory=list)
    todo: Reconciliation = field(default_factory=Reconciliation)
    removed: list[str] = field(default_factory=list)
    repairs: list[int] = field(default_factory=list)

    def statuses(self) -> list[str]:
        return [record.status.value for record in self.records]

    @activity.defn(name=PROBE.name)
    async def probe(self, given: NodeInfo) -> Figures:
        while self.dead:
            await asyncio.sleep(0.05)
        return Figures(disk_free=1)

    @activity.defn(name=WATCH.name)
    async def watch(self, given: NodeInfo) -> WatchEnd:
        while not self.shutting_down:
            if not self.dead:
                activity.heartbeat(Figures(disk_free=1))
            await asyncio.sleep(0.05)
        return WatchEnd(reason="shutdown")

    @activity.defn(name=INVENTORY.name)
    async def inventory(self, given: NodeInfo) -> Inventory:
        return Inventory(node_id=NODE)

    @activity.defn(name=RECONCILE.name)
    async def reconcile(self, given: Inventory) -> Reconciliation:
        todo, self.todo = self.todo, Reconciliation()
        return todo

    @activity.defn(name=REMOVE_CONTAINER.name)
    async def remove_container(self, given: RemoveInput) -> Confirmed:
        self.removed.append(given.container)
        return Confirmed(gone=[given.container])

    @activity.defn(name=REMOVE_ROUTE.name)
    async def remove_route(self, given: RouteRef) -> Confirmed:
        self.removed.append(f"route {given.app_id}")
        return Confirmed(gone=[])

    @activity.defn(name=REMOVE_WORKSPACE.name)
    async def remove_workspace(self, given: WorkspaceRef) -> Confirmed:
        self.removed.append(f"workspace {given.user_id}")
        return Confirmed(gone=[])

    @activity.defn(name=ASK_REPAIR.name)
    async def ask_repair(self, given: Repair) -> DeploymentRef:
        self.repairs.append(given.app_id)
        return DeploymentRef(deployment_id=1, app_id=given.app_id)

    @activity.defn(name=RECORD_NODE.name)
    async def record_node(self, given: NodeRecord) -> None:
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
                    host.remove_workspace,
                    host.ask_repair,
                    host.record_node,
                ],
                max_heartbeat_throttle_interval=timedelta(seconds=0.1),
            )
            await stack.enter_async_context(worker)
        yield host
        host.dead = False
        host.shutting_down = True


def a_boot() -> NodeInfo:
    """What a worker says of itself that has just started."""
    return NodeInfo(node_id=NODE, role=NodeRole.RUNTIME, boot_id=uuid.uuid4().hex)


async def test_hello_brings_a_node_up_and_reconciles_it(client: Client, host: Host) -> None:
    host.todo = Reconciliation(
        remove_containers=[RemoveInput(app_id=1, container="app-1-9")],
        remove_routes=[4],
        remove_workspaces=[7],
        repairs=[Repair(app_id=2, why="its container is missing")],
    )
    await say_hello(client, a_boot())
    await eventually(lambda: host.repairs == [2])
    assert host.statuses() == ["UP"]
    assert host.removed == ["route 4", "app-1-9", "workspace 7"]


async def test_a_silent_node_is_down_within_20_seconds_and_up_on_hello(
    client: Client, host: Host
) -> None:
    await say_hello(client, a_boot())
    await eventually(lambda: host.statuses() == ["UP"])
    host.dead = True
    await eventually(lambda: host.statuses()[-1] == "DOWN", seconds=20)
    host.dead = False
    await say_hello(client, a_boot())
    await eventually(lambda: host.statuses()[-1] == "UP", seconds=5)


async def test_a_worker_that_is_back_at_once_is_never_down(client: Client, host: Host) -> None:
    await say_hello(client, a_boot())
    await eventually(lambda: host.statuses() == ["UP"])
    await say_hello(client, a_boot())
    await eventually(lambda: host.statuses() == ["UP", "UP"])


async def test_a_graceful_stop_is_down_at_once(client: Client, host: Host) -> None:
    await say_hello(client, a_boot())
    await eventually(lambda: host.statuses() == ["UP"])
    host.shutting_down = True
    host.dead = True
    await eventually(lambda: host.statuses()[-1] == "DOWN", seconds=3)


async def test_a_node_that_drains_says_so_until_it_takes_work_again(
    client: Client, host: Host
) -> None:
    handle = client.get_workflow_handle(ids.node_workflow(NODE))

    async def says(status: str) -> None:
        async with asyncio.timeout(10):
            while await handle.query("status") != status:
                await asyncio.sleep(0.05)

    await say_hello(client, a_boot())
    await eventually(lambda: host.statuses() == ["UP"])
    await commands.drain(client, NODE, DrainOrder(draining=True))
    # The watch came back for it: the node was probed and recorded once more, and never DOWN.
    await eventually(lambda: host.statuses() == ["UP", "UP"])
    await says("DRAINING")
    await say_hello(client, a_boot())
    await eventually(lambda: host.statuses() == ["UP"] * 3)
    await says("DRAINING")
    await commands.drain(client, NODE, DrainOrder(draining=False))
    await says("UP")
    await commands.drain(client, "never-seen", DrainOrder(draining=True))
