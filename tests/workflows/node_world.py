"""A small world for tests of ``node-{nodeId}``: a host that can end, fall silent and come back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
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
    ContainerSeen,
    Figures,
    Inventory,
    NodeInfo,
    NodeRecord,
    NodeRole,
    Reconciliation,
    Repair,
    WatchEnd,
)
from activities.contracts.records import OwedUndo
from activities.contracts.runner import DISCARD_BUILD
from activities.contracts.runtime import (
    PRUNE_LOCAL,
    REMOVE_CONTAINER,
    PruneLocalInput,
    RemoveInput,
    RouteRef,
)
from activities.contracts.workspace import REMOVE_WORKSPACE, WorkspaceRef
from activities.reconcile import AppView, View, nothing_left, reconcile
from ops.errors import Conflict, PlatformError, to_application_error
from tests.workflows.world import World
from workers.control_workflows import WORKFLOWS
from workflows import ids

NODE = "runtime-102"


@dataclass
class Host:
    """A node whose worker can be ended gracefully, or fall silent (``dead``); what is named in
    ``fails`` cannot be done there."""

    dead: bool = False
    shutting_down: bool = False
    records: list[NodeRecord] = field(default_factory=list)
    todo: Reconciliation = field(default_factory=Reconciliation)
    removed: list[str] = field(default_factory=list)
    repairs: list[int] = field(default_factory=list)
    fails: set[str] = field(default_factory=set)

    def _remove(self, what: str) -> None:
        if what in self.fails:
            raise to_application_error(PlatformError(f"{what}: device busy"))
        self.removed.append(what)

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
        self._remove(given.container)
        return Confirmed(gone=[given.container])

    @activity.defn(name=REMOVE_ROUTE.name)
    async def remove_route(self, given: RouteRef) -> Confirmed:
        self._remove(f"route {given.app_id}")
        return Confirmed(gone=[])

    @activity.defn(name=REMOVE_WORKSPACE.name)
    async def remove_workspace(self, given: WorkspaceRef) -> Confirmed:
        self._remove(f"workspace {given.user_id}")
        return Confirmed(gone=[])

    @activity.defn(name=PRUNE_LOCAL.name)
    async def prune_local(self, given: PruneLocalInput) -> Confirmed:
        self._remove(f"images of {given.repository}")
        return Confirmed(gone=[])

    @activity.defn(name=DISCARD_BUILD.name)
    async def discard_build(self, given: DeploymentRef) -> Confirmed:
        self._remove(f"checkout {given.deployment_id}")
        return Confirmed(gone=[])

    @activity.defn(name=ASK_REPAIR.name)
    async def ask_repair(self, given: Repair) -> DeploymentRef:
        if f"repair {given.app_id}" in self.fails:
            raise to_application_error(Conflict("the app is being deleted"))
        self.repairs.append(given.app_id)
        return DeploymentRef(deployment_id=1, app_id=given.app_id)

    @activity.defn(name=RECORD_NODE.name)
    async def record_node(self, given: NodeRecord) -> None:
        self.records.append(given)

    def of_itself(self) -> list[Callable[..., Any]]:
        """What is known of the host and of its record."""
        return [
            *(self.probe, self.watch, self.inventory),
            *(self.reconcile, self.record_node, self.ask_repair),
        ]

    @asynccontextmanager
    async def workers(self, client: Client) -> AsyncIterator[None]:
        """Control's, and the host's own; until then it is alive."""
        activities: list[Callable[..., Any]] = [
            *self.of_itself(),
            *(self.remove_container, self.remove_route, self.remove_workspace),
            *(self.prune_local, self.discard_build),
        ]
        async with AsyncExitStack() as stack:
            for queue in (ids.CONTROL_QUEUE, NODE):
                worker = Worker(
                    client,
                    task_queue=queue,
                    workflows=WORKFLOWS if queue == ids.CONTROL_QUEUE else [],
                    activities=activities,
                    max_heartbeat_throttle_interval=timedelta(seconds=0.1),
                )
                await stack.enter_async_context(worker)
            yield
            self.dead = False
            self.shutting_down = True


@dataclass
class HostOfApps(Host):
    """The runtime host of a ``World``: compared with that world's records as the platform does it."""

    world: World | None = None
    done: list[OwedUndo] = field(default_factory=list)

    @activity.defn(name=INVENTORY.name)
    async def inventory(self, given: NodeInfo) -> Inventory:
        assert self.world is not None
        names = sorted(self.world.containers)
        numbers = {name: name.split("-")[1:] for name in names}
        return Inventory(
            node_id=NODE,
            containers=[
                ContainerSeen(
                    name=name,
                    app_id=int(numbers[name][0]),
                    release_id=int(numbers[name][1]),
                    running=True,
                )
                for name in names
            ],
        )

    @activity.defn(name=RECONCILE.name)
    async def reconcile(self, given: Inventory) -> Reconciliation:
        """Nothing of its apps is under way; what it owed and has done is noted."""
        assert self.world is not None
        view = View(apps={seen.app_id: AppView(live=self.world.live) for seen in given.containers})
        todo = reconcile(given, view).model_copy(update={"repairs": []})
        for owed in self.world.owed:
            if nothing_left(given, view, todo, owed.app_id, owed.deployment_id):
                self.done.append(owed)
        return todo


@dataclass
class HostOfBuilds(Host):
    """The runner of a ``World``: it has that world's checkouts."""

    world: World | None = None

    @activity.defn(name=INVENTORY.name)
    async def inventory(self, given: NodeInfo) -> Inventory:
        assert self.world is not None
        return Inventory(node_id=given.node_id, checkouts=sorted(self.world.checkouts))

    @activity.defn(name=RECONCILE.name)
    async def reconcile(self, given: Inventory) -> Reconciliation:
        assert self.world is not None
        ended = {one for one, told in self.world.progress.items() if told.status.ended}
        under_way = frozenset(given.checkouts) - ended
        return reconcile(given, View(under_way=under_way))


def a_boot(node_id: str = NODE, role: NodeRole = NodeRole.RUNTIME) -> NodeInfo:
    """What a worker says of itself that has just started."""
    return NodeInfo(node_id=node_id, role=role, boot_id=uuid.uuid4().hex)


async def takes_work() -> bool:
    """What control answers of a node that was never drained."""
    return False


async def drains() -> bool:
    """What it answers of one that is to take nothing new."""
    return True


async def watched(node: WorkflowHandle[Any, Any]) -> None:
    """Until the node was compared with the records, and is watched since."""
    async with asyncio.timeout(10):
        while not any(
            pending.activity_type.name == WATCH.name
            for pending in (await node.describe()).raw_description.pending_activities
        ):
            await asyncio.sleep(0.05)
