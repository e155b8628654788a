"""A small world of one workspace node: activities that do what they promise, in memory.

A test makes one of them misbehave by name, as in ``world.py``: ``fails``, ``hangs``, ``dies``; and
``away`` is a node whose worker takes nothing up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from activities.contracts.base import Confirmed
from activities.contracts.imports import (
    IMPORT_REPOSITORY,
    LOAD_IMPORT,
    RECORD_IMPORT,
    Imported,
    ImportEnd,
    ImportInput,
    ImportRef,
)
from activities.contracts.workspace import (
    ENSURE_CHECKOUT,
    ENSURE_WORKSPACE,
    FOLLOW_RUN,
    PLACE_WORKSPACE,
    RECORD_WORKSPACE,
    REGISTER_WORKSPACE_KEY,
    REMOVE_CHECKOUT,
    REMOVE_WORKSPACE,
    SAVE_WORK,
    SETTLE_CHECKOUT,
    START_RUN,
    STOP_RUN,
    STOP_WORKSPACE,
    CheckoutInput,
    CheckoutRef,
    CheckoutResult,
    EnsureWorkspaceInput,
    FollowRunInput,
    PlaceWorkspaceInput,
    RunEnded,
    RunRef,
    Saved,
    SaveWorkInput,
    StartRunInput,
    WorkspacePlacement,
    WorkspaceRecord,
    WorkspaceRef,
    WorkspaceUp,
)
from ops.errors import Conflict, NodeUnavailable, StudioError, to_application_error
from tests.support.contracts import descriptors
from workflows import ids

NODE = "workspace-87"
USER = 1


@dataclass
class Process:
    """What runs in the container; ``exit_code`` is set by its end."""

    run: StartRunInput
    answers: bool = True
    exit_code: int | None = None
    ended: bool = False


@dataclass
class WorkspaceWorld:
    """One user's workspace, and how each activity misbehaves."""

    client: Client
    record: WorkspaceRecord = field(default_factory=lambda: WorkspaceRecord(user_id=USER))
    records: list[WorkspaceRecord] = field(default_factory=list)
    containers: int = 0
    made: int = 0
    checkouts: set[int] = field(default_factory=set)
    processes: dict[int, Process] = field(default_factory=dict)
    owed: set[int] = field(default_factory=set)
    deleting: set[int] = field(default_factory=set)
    disk: bool = False
    saved: int = 0
    imports: list[ImportEnd] = field(default_factory=list)
    key_registered: bool = False
    down: bool = False
    idle_seconds: float = 600
    run_idle_seconds: float = 300
    calls: list[str] = field(default_factory=list)
    fails: dict[str, StudioError] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    dies: set[str] = field(default_factory=set)
    _node: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def _enter(self, name: str) -> None:
        self.calls.append(name)
        if name in self.fails:
            raise to_application_error(self.fails[name])
        if name in self.dies:
            await asyncio.Event().wait()
        while name in self.hangs:
            activity.heartbeat()
            await asyncio.sleep(0.02)

    @property
    def running(self) -> list[int]:
        return [run_id for run_id, process in self.processes.items() if not process.ended]

    def end(self, run_id: int, exit_code: int | None) -> None:
        process = self.processes[run_id]
        process.exit_code, process.ended = exit_code, True

    def engine_restarts(self) -> None:
        """Containers are gone, and with them what ran; nobody ever learns of an exit code."""
        self.containers = 0
        for run_id in self.running:
            self.end(run_id, None)

    # --- records -----------------------------------------------------------------------------

    @activity.defn(name=PLACE_WORKSPACE.name)
    async def place_workspace(self, given: PlaceWorkspaceInput) -> WorkspacePlacement:
        if self.down and not given.leaving:
            raise to_application_error(NodeUnavailable(f"{NODE} is down"))
        if given.app_id in self.deleting:
            raise to_application_error(Conflict("the app is being deleted"))
        return WorkspacePlacement(
            user_id=given.user_id,
            node_id=NODE,
            slot=0,
            dev_mongo=False,
            key_registered=self.key_registered,
            base_path="/",
            public_url="http://u1.ws.localhost:8000/",
            run_idle_seconds=self.run_idle_seconds,
            idle_seconds=self.idle_seconds,
            recorded=self.record,
            owed_checkouts=sorted(self.owed),
        )

    @activity.defn(name=SETTLE_CHECKOUT.name)
    async def settle_checkout(self, given: CheckoutRef) -> None:
        self.owed.discard(given.app_id)

    @activity.defn(name=REGISTER_WORKSPACE_KEY.name)
    async def register_workspace_key(self, given: PlaceWorkspaceInput) -> None:
        await self._enter("register_workspace_key")
        self.key_registered = True

    @activity.defn(name=RECORD_WORKSPACE.name)
    async def record_workspace(self, given: WorkspaceRecord) -> None:
        self.record = given
        self.records.append(given)

    # --- the node ----------------------------------------------------------------------------

    @activity.defn(name=ENSURE_WORKSPACE.name)
    async def ensure_workspace(self, given: EnsureWorkspaceInput) -> WorkspaceUp:
        await self._enter("ensure_workspace")
        if not self.containers:
            await asyncio.sleep(0.05)
            self.containers += 1
            self.made += 1
            self.disk = True
        return WorkspaceUp(container="ws-u-1", address="172.28.64.10")

    @activity.defn(name=ENSURE_CHECKOUT.name)
    async def ensure_checkout(self, given: CheckoutInput) -> CheckoutResult:
        await self._enter("ensure_checkout")
        assert given.repository == f"u1-app{given.app_id}"
        cloned = given.app_id not in self.checkouts
        self.checkouts.add(given.app_id)
        return CheckoutResult(cloned=cloned, commit="a" * 40)

    @activity.defn(name=REMOVE_CHECKOUT.name)
    async def remove_checkout(self, given: CheckoutRef) -> Confirmed:
        await self._enter("remove_checkout")
        assert self.containers
        assert given.app_id not in {self.processes[run_id].run.app_id for run_id in self.running}
        self.checkouts.discard(given.app_id)
        return Confirmed(gone=[f"folder of app {given.app_id}"])

    @activity.defn(name=REMOVE_WORKSPACE.name)
    async def remove_workspace(self, given: WorkspaceRef) -> Confirmed:
        await self._enter("remove_workspace")
        self.containers, self.disk = 0, False
        self.checkouts.clear()
        for run_id in self.running:
            self.end(run_id, None)
        return Confirmed(gone=["container ws-u-1", "disk"])

    @activity.defn(name=SAVE_WORK.name)
    async def save_work(self, given: SaveWorkInput) -> Saved:
        await self._enter("save_work")
        assert self.containers
        self.saved += 1
        return Saved(saved=["u1-app7"])

    @activity.defn(name=STOP_WORKSPACE.name)
    async def stop_workspace(self, given: WorkspaceRef) -> Confirmed:
        await self._enter("stop_workspace")
        self.containers = 0
        for run_id in self.running:
            self.end(run_id, None)
        return Confirmed(gone=["container ws-u-1"])

    @activity.defn(name=START_RUN.name)
    async def start_run(self, given: StartRunInput) -> None:
        await self._enter("start_run")
        assert self.containers
        self.processes.setdefault(given.run_id, Process(given, answers="port" not in self.hangs))

    @activity.defn(name=STOP_RUN.name)
    async def stop_run(self, given: RunRef) -> Confirmed:
        await self._enter("stop_run")
        self.end(given.run_id, 143)
        return Confirmed(gone=[f"run {given.run_id}"])

    @activity.defn(name=FOLLOW_RUN.name)
    async def follow_run(self, given: FollowRunInput) -> RunEnded:
        self.calls.append("follow_run")
        process = self.processes.get(given.run_id)
        if process is None:
            return RunEnded(exit_code=None)
        workflow_id = activity.info().workflow_id
        assert workflow_id is not None
        if given.serves and process.answers and not process.ended:
            ref = RunRef(user_id=given.user_id, run_id=given.run_id)
            await self.client.get_workflow_handle(workflow_id).signal("run_ready", ref)
        while not process.ended:
            activity.heartbeat()
            await asyncio.sleep(0.02)
        return RunEnded(exit_code=process.exit_code, log_tail=["the last line"])

    # --- imports -----------------------------------------------------------------------------

    @activity.defn(name=LOAD_IMPORT.name)
    async def load_import(self, given: ImportRef) -> ImportInput:
        return ImportInput(
            app_id=given.app_id,
            user_id=given.user_id,
            git_url="https://git.example.org/x.git",
            repository=ids.app_repository(given.user_id, given.app_id),
        )

    @activity.defn(name=IMPORT_REPOSITORY.name)
    async def import_repository(self, given: ImportInput) -> Imported:
        await self._enter("import_repository")
        return Imported(commit="c0ffee")

    @activity.defn(name=RECORD_IMPORT.name)
    async def record_import(self, given: ImportEnd) -> None:
        self.imports.append(given)

    # --- workers -----------------------------------------------------------------------------

    def _activities(self) -> list[Callable[..., Any]]:
        names = descriptors()
        return [getattr(self, name) for name in sorted(names) if hasattr(self, name)]

    def _worker(self, queue: str, workflows: Sequence[type] = ()) -> Worker:
        return Worker(
            self.client,
            task_queue=queue,
            workflows=list(workflows),
            activities=self._activities(),
            max_heartbeat_throttle_interval=timedelta(seconds=0.1),
            graceful_shutdown_timeout=timedelta(seconds=0),
        )

    def control(self, workflows: Sequence[type]) -> Worker:
        return self._worker(ids.CONTROL_QUEUE, workflows)

    async def node_starts(self) -> None:
        for queue in (ids.node_queue(NODE), ids.runs_queue(NODE)):
            await self._node.enter_async_context(self._worker(queue))

    async def node_stops(self) -> None:
        """Its worker goes: nothing is taken up, nothing heartbeats."""
        await self._node.aclose()
