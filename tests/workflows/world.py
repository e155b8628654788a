"""A small world for workflow tests: activities that do what they promise, in memory.

Each test makes one of them misbehave by name: ``fails``, ``hangs`` (heartbeats until it is
cancelled) or ``dies`` (its host is gone: nothing heartbeats any more).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from activities.contracts.apps import (
    DELETE_APP_IMAGES,
    DELETE_APP_RECORDS,
    DELETE_REPOSITORY,
    LOAD_APP,
    AppRef,
    AppThings,
)
from activities.contracts.base import (
    Confirmed,
    DeploymentKind,
    DeploymentRef,
    DeploymentStatus,
    Release,
)
from activities.contracts.imports import STOP_IMPORT, ImportRef
from activities.contracts.nodes import OPEN_REPAIR, REMOVE_ROUTE, Repair
from activities.contracts.records import (
    FIND_BUILT,
    LOAD_PLAN,
    PLACE,
    RECORD_LIVE,
    RECORD_OWED,
    RECORD_PROGRESS,
    RECORD_PUSHED,
    RECORD_UNLIVE,
    TAKE_PRUNABLE,
    FindBuiltInput,
    FoundImage,
    LiveInput,
    OwedUndo,
    PlaceInput,
    Placement,
    Plan,
    Progress,
    Prunable,
    PrunableInput,
    PushedInput,
    UnliveInput,
)
from activities.contracts.runner import (
    BUILD,
    CLONE,
    DISCARD_BUILD,
    HOLD_RUNNER,
    PUSH,
    BuildInput,
    BuildResult,
    CloneInput,
    CloneResult,
    HoldInput,
    PushInput,
    PushResult,
    Recipe,
    RunnerHeld,
)
from activities.contracts.runtime import (
    CHECK_HEALTH,
    PRUNE_LOCAL,
    REMOVE_CONTAINER,
    RETIRE,
    SOAK,
    START_CONTAINER,
    SWITCH_ROUTE,
    HealthInput,
    PruneLocalInput,
    RemoveInput,
    RetireInput,
    RouteRef,
    RouteTarget,
    SoakInput,
    Started,
    StartInput,
    SwitchInput,
)
from activities.contracts.servers import (
    DELETE_UNNAMED_IMAGES,
    DROP_DATABASE,
    ENSURE_DATABASE,
    VERIFY,
    DatabaseInput,
    UnnamedImagesInput,
    VerifyInput,
)
from activities.contracts.workspace import (
    LEAVE_WORKSPACE,
    OWE_CHECKOUT,
    CheckoutRef,
    OwedCheckout,
)
from ops.errors import NodeDrains, StudioError, to_application_error
from tests.support.contracts import descriptors
from workflows import ids

RUNNER = "runner-101"
RUNTIME = "runtime-102"


@dataclass
class World:
    """State that activities change, and how each of them misbehaves."""

    client: Client
    containers: set[str] = field(default_factory=set)
    route: RouteTarget | None = None
    live: int | None = None
    checkouts: set[int] = field(default_factory=set)
    slots: set[int] = field(default_factory=set)
    progress: dict[int, Progress] = field(default_factory=dict)
    owed: list[OwedUndo] = field(default_factory=list)
    pushed: dict[str, str] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    kinds: dict[int, DeploymentKind] = field(default_factory=dict)
    fails: dict[str, StudioError] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    dies: set[str] = field(default_factory=set)
    runners: list[str] = field(default_factory=lambda: [RUNNER])
    next_runner: int = 0
    drains: set[str] = field(default_factory=set)

    # --- how an activity misbehaves ----------------------------------------------------------

    async def _enter(self, name: str) -> None:
        self.calls.append(name)
        if name in self.fails:
            raise to_application_error(self.fails[name])
        if name in self.dies:
            await asyncio.Event().wait()
        while name in self.hangs:
            if not activity.info().is_local:
                activity.heartbeat()
            await asyncio.sleep(0.02)

    def status(self, deployment_id: int) -> DeploymentStatus:
        return self.progress[deployment_id].status

    def stages(self, deployment_id: int) -> dict[str, str]:
        return {s.name.value: s.status.value for s in self.progress[deployment_id].stages}

    # --- records and control -----------------------------------------------------------------

    @activity.defn(name=LOAD_PLAN.name)
    async def load_plan(self, given: DeploymentRef) -> Plan:
        await self._enter("load_plan")
        kind = self.kinds.get(given.deployment_id, DeploymentKind.DEPLOY)
        old = Release(repository="u1-app1", digest="sha256:old", commit="0" * 40)
        release = None if kind is DeploymentKind.DEPLOY else old
        repair = kind is DeploymentKind.REPAIR
        release_id = (self.live or given.deployment_id) if repair else given.deployment_id
        return Plan(
            deployment_id=given.deployment_id,
            release_id=release_id,
            app_id=given.app_id,
            user_id=1,
            slug="shop",
            kind=kind,
            repository="u1-app1",
            container=ids.app_container(given.app_id, release_id),
            database=ids.app_database(given.app_id),
            release=release,
            live_deployment_id=self.live,
            node_id=RUNTIME,
            host="shop.apps.localhost",
            soak_seconds=0.1,
            health_seconds=1,
        )

    @activity.defn(name=PLACE.name)
    async def place(self, given: PlaceInput) -> Placement:
        await self._enter("place")
        return Placement(node_id=RUNTIME)

    @activity.defn(name=RECORD_PROGRESS.name)
    async def record_progress(self, given: Progress) -> None:
        before = self.progress.get(given.deployment_id)
        if before is None or given.version > before.version:
            self.progress[given.deployment_id] = given

    @activity.defn(name=RECORD_PUSHED.name)
    async def record_pushed(self, given: PushedInput) -> None:
        self.named.add(given.release.digest)
        if given.build_key:
            self.pushed[given.build_key] = given.release.digest

    @activity.defn(name=RECORD_LIVE.name)
    async def record_live(self, given: LiveInput) -> None:
        self.live = given.deployment_id
        await self._enter("record_live")

    @activity.defn(name=RECORD_UNLIVE.name)
    async def record_unlive(self, given: UnliveInput) -> None:
        self.live = None if given.stopped else given.previous_deployment_id

    @activity.defn(name=STOP_IMPORT.name)
    async def stop_import(self, given: ImportRef) -> Confirmed:
        await self._enter("stop_import")
        return Confirmed(gone=["import"])

    @activity.defn(name=OWE_CHECKOUT.name)
    async def owe_checkout(self, given: CheckoutRef) -> OwedCheckout:
        return OwedCheckout(ask=True)

    @activity.defn(name=LEAVE_WORKSPACE.name)
    async def leave_workspace(self, given: CheckoutRef) -> Confirmed:
        await self._enter("leave_workspace")
        return Confirmed(gone=["folder"])

    @activity.defn(name=RECORD_OWED.name)
    async def record_owed(self, given: OwedUndo) -> None:
        self.owed.append(given)

    @activity.defn(name=FIND_BUILT.name)
    async def find_built(self, given: FindBuiltInput) -> FoundImage:
        digest = self.pushed.get(given.build_key)
        if digest is None:
            return FoundImage()
        return FoundImage(release=Release(repository="u1-app1", digest=digest, commit="a" * 40))

    @activity.defn(name=TAKE_PRUNABLE.name)
    async def take_prunable(self, given: PrunableInput) -> Prunable:
        self.calls.append("take_prunable")
        return Prunable(digests=[])

    @activity.defn(name=DELETE_UNNAMED_IMAGES.name)
    async def delete_unnamed_images(self, given: UnnamedImagesInput) -> Confirmed:
        gone = self.images - self.named
        self.images -= gone
        return Confirmed(gone=[f"image {digest}" for digest in gone])

    @activity.defn(name=OPEN_REPAIR.name)
    async def open_repair(self, given: Repair) -> DeploymentRef:
        self.calls.append("open_repair")
        self.kinds[900] = DeploymentKind.REPAIR
        return DeploymentRef(deployment_id=900, app_id=given.app_id)

    @activity.defn(name=ENSURE_DATABASE.name)
    async def ensure_database(self, given: DatabaseInput) -> None:
        await self._enter("ensure_database")

    @activity.defn(name=VERIFY.name)
    async def verify(self, given: VerifyInput) -> None:
        await self._enter("verify")
        assert self.route is not None
        assert self.route.release_id == given.release_id

    @activity.defn(name=LOAD_APP.name)
    async def load_app(self, given: AppRef) -> AppThings:
        return AppThings(
            app_id=given.app_id,
            user_id=1,
            slug="shop",
            repository="u1-app1",
            database="db_1",
            nodes=[RUNTIME],
            runners=self.runners,
        )

    @activity.defn(name=DELETE_REPOSITORY.name)
    async def delete_repository(self, given: AppThings) -> Confirmed:
        return Confirmed(gone=["repository"])

    @activity.defn(name=DELETE_APP_IMAGES.name)
    async def delete_app_images(self, given: AppThings) -> Confirmed:
        return Confirmed(gone=["images"])

    @activity.defn(name=DROP_DATABASE.name)
    async def drop_database(self, given: DatabaseInput) -> Confirmed:
        await self._enter("drop_database")
        return Confirmed(gone=["database"])

    @activity.defn(name=DELETE_APP_RECORDS.name)
    async def delete_app_records(self, given: AppThings) -> Confirmed:
        self.calls.append("delete_app_records")
        return Confirmed(gone=["records"])

    # --- runner ------------------------------------------------------------------------------

    @activity.defn(name=HOLD_RUNNER.name)
    async def hold_runner(self, given: HoldInput) -> None:
        await self._enter("hold_runner")
        node = self.runners[self.next_runner % len(self.runners)]
        self.next_runner += 1
        if node in self.drains:
            raise to_application_error(NodeDrains(f"{node} drains"))
        workflow_id = activity.info().workflow_id
        assert workflow_id is not None
        self.slots.add(given.deployment_id)
        try:
            handle = self.client.get_workflow_handle(workflow_id)
            await handle.signal("runner_held", RunnerHeld(hold_id=given.hold_id, node_id=node))
            while node not in self.dies:
                activity.heartbeat()
                await asyncio.sleep(0.02)
            await asyncio.Event().wait()
        finally:
            self.slots.discard(given.deployment_id)

    @activity.defn(name=CLONE.name)
    async def clone(self, given: CloneInput) -> CloneResult:
        self.checkouts.add(given.deployment_id)
        await self._enter("clone")
        return CloneResult(
            commit="a" * 40,
            message="m",
            author="a",
            recipe=Recipe.NODE,
            port=3000,
            health_path="/",
            build_args={},
            build_key=f"key-{given.ref}",
        )

    @activity.defn(name=BUILD.name)
    async def build(self, given: BuildInput) -> BuildResult:
        await self._enter("build")
        return BuildResult(image_id="sha256:image")

    @activity.defn(name=PUSH.name)
    async def push(self, given: PushInput) -> PushResult:
        digest = f"sha256:{given.deployment_id}"
        self.images.add(digest)
        await self._enter("push")
        return PushResult(digest=digest)

    @activity.defn(name=DISCARD_BUILD.name)
    async def discard_build(self, given: DeploymentRef) -> Confirmed:
        self.calls.append("discard_build")
        self.checkouts.discard(given.deployment_id)
        return Confirmed(gone=["checkout"])

    # --- runtime -----------------------------------------------------------------------------

    @activity.defn(name=START_CONTAINER.name)
    async def start_container(self, given: StartInput) -> Started:
        route = self.route
        self.containers.add(given.container)
        await self._enter("start_container")
        return Started(address="172.28.0.10", route=route)

    @activity.defn(name=CHECK_HEALTH.name)
    async def check_health(self, given: HealthInput) -> None:
        await self._enter("check_health")

    @activity.defn(name=SOAK.name)
    async def soak(self, given: SoakInput) -> None:
        await self._enter("soak")

    @activity.defn(name=SWITCH_ROUTE.name)
    async def switch_route(self, given: SwitchInput) -> None:
        self.route = given.target
        await self._enter("switch_route")

    @activity.defn(name=REMOVE_ROUTE.name)
    async def remove_route(self, given: RouteRef) -> Confirmed:
        self.route = None
        return Confirmed(gone=["route"])

    @activity.defn(name=REMOVE_CONTAINER.name)
    async def remove_container(self, given: RemoveInput) -> Confirmed:
        await self._enter("remove_container")
        self.containers.discard(given.container)
        return Confirmed(gone=[f"container {given.container}"])

    @activity.defn(name=RETIRE.name)
    async def retire(self, given: RetireInput) -> Confirmed:
        await self._enter("retire")
        gone = [name for name in self.containers if name != given.keep]
        self.containers -= set(gone)
        return Confirmed(gone=[f"container {name}" for name in gone])

    @activity.defn(name=PRUNE_LOCAL.name)
    async def prune_local(self, given: PruneLocalInput) -> Confirmed:
        return Confirmed(gone=[])

    # --- workers -----------------------------------------------------------------------------

    def _activities(self) -> list[Callable[..., Any]]:
        names = descriptors()
        return [getattr(self, name) for name in sorted(names) if hasattr(self, name)]

    def workers(
        self,
        workflows: Sequence[type],
        beside: Sequence[Callable[..., Any]] = (),
        control_slots: int | None = None,
    ) -> list[Worker]:
        """A control worker, and one for each host; all know every activity, and those ``beside``."""
        activities = [*self._activities(), *beside]
        queues = [ids.CONTROL_QUEUE, ids.RUNNER_QUEUE, RUNTIME, *self.runners]
        return [
            Worker(
                self.client,
                task_queue=queue,
                workflows=list(workflows) if queue == ids.CONTROL_QUEUE else [],
                activities=activities,
                max_concurrent_activities=control_slots if queue == ids.CONTROL_QUEUE else None,
                max_heartbeat_throttle_interval=timedelta(seconds=0.1),
                graceful_shutdown_timeout=timedelta(seconds=0),
            )
            for queue in queues
        ]
