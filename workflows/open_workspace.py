"""``workspace-{userId}``: one user's workspace, from its opening until it idles.

An entity: what is asked of it comes as updates, which take turns under one lock. It ends when the
workspace is stopped; the next opening starts it again, and it goes on from the record. So does one
that takes the place of a workflow which was ended by force.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts.base import Confirmed
    from activities.contracts.workspace import (
        CheckoutRef,
        RunReady,
        WorkspaceRef,
        WorkspaceStatus,
    )
    from ops.error_codes import ErrorCode
    from ops.errors import Conflict, to_application_error
    from workflows.calls import uninterrupted
    from workflows.failures import refusal
    from workflows.messages import OpenRequest, RunRequest, WorkspaceState, WorkspaceView
    from workflows.policies import FIRST_REQUEST, IDLE_AGAIN
    from workflows.workspace_run import Runs
    from workflows.workspace_state import Workspace
    from workflows.workspace_steps import (
        checkout,
        ensure_container,
        remove_checkout,
        remove_owed_checkouts,
        remove_workspace,
        save_work,
        stop_container,
    )


@workflow.defn(name="OpenWorkspace")
class OpenWorkspace:
    @workflow.init
    def __init__(self, state: WorkspaceState) -> None:
        self._workspace = Workspace(state)
        self._runs = Runs(self._workspace)
        self._turn = asyncio.Lock()
        self._touched_at = state.touched_at or workflow.now()
        self._not_before: datetime | None = None
        self._asked = state.record is not None
        self._ending = False

    @workflow.run
    async def run(self, state: WorkspaceState) -> None:
        self._runs.follow()
        try:
            await self._first_request()
            while not self._over():
                await self._until_due()
                if workflow.cancellation_reason() is not None:
                    raise asyncio.CancelledError
                await self._stop_what_idles()
                await self._bring_back()
                if workflow.info().is_continue_as_new_suggested():
                    await self._continue_as_new()
        except asyncio.CancelledError:
            await uninterrupted(asyncio.create_task(self._end()))
            raise

    # --- what is asked -----------------------------------------------------------------------

    @workflow.update(description="Open an app: the container, and the app's repository in it")
    async def open(self, request: OpenRequest) -> WorkspaceView:
        async with self._one_at_a_time(request.app_id):
            await self._open(request.app_id)
        return self.view()

    @workflow.update(name="run", description="Run a task of an app: dev, start, build, install")
    async def run_task(self, request: RunRequest) -> WorkspaceView:
        async with self._one_at_a_time(request.app_id):
            self._runs.refuse_beside(request.app_id, request.task)
            if self._runs.current is None:
                await self._open(request.app_id)
                await self._runs.start(request.app_id, request.task)
        return self.view()

    @workflow.update(description="Stop what runs")
    async def stop(self, request: WorkspaceRef) -> WorkspaceView:
        async with self._one_at_a_time():
            await self._runs.stop()
        return self.view()

    @workflow.update(description="Save the work and stop the container; the files stay")
    async def close(self, request: WorkspaceRef) -> WorkspaceView:
        async with self._one_at_a_time():
            await self._close()
        return self.view()

    @workflow.update(description="Go on where a workflow was ended by force")
    async def resume(self, request: WorkspaceRef) -> WorkspaceView:
        async with self._one_at_a_time():
            if self._workspace.now.status is WorkspaceStatus.STOPPING:
                await self._close()
            elif self._workspace.now.status is not WorkspaceStatus.STOPPED:
                await ensure_container(self._workspace)
        return self.view()

    @workflow.update(description="An app is deleted: stop what runs of it, remove its folder")
    async def leave_app(self, request: CheckoutRef) -> Confirmed:
        async with self._one_at_a_time():
            if self._workspace.now.status is not WorkspaceStatus.OPEN:
                return Confirmed(gone=[])  # owed: its next opening does it
            run = self._runs.current
            if run is not None and run.app_id == request.app_id:
                await self._runs.stop()
            return await remove_checkout(self._workspace, request.app_id)

    @workflow.update(description="Its user is deleted: remove the container and the disk")
    async def remove(self, request: WorkspaceRef) -> Confirmed:
        async with self._one_at_a_time(leaving=True):
            await self._runs.stop()
            return await remove_workspace(self._workspace)

    @workflow.signal(description="Somebody uses it; sent at most once a minute")
    def touch(self, request: WorkspaceRef) -> None:
        self._touched_at = workflow.now()

    @workflow.signal(description="The dev port of a run answers")
    async def run_ready(self, told: RunReady) -> None:
        await self._runs.ready(told)

    @workflow.query(description="How the workspace is")
    def view(self) -> WorkspaceView:
        now, placement = self._workspace.now, self._workspace.placement
        return WorkspaceView(
            status=now.status,
            app_id=now.app_id,
            node_id=placement.node_id if placement else None,
            run=now.run,
        )

    @asynccontextmanager
    async def _one_at_a_time(
        self, app_id: int | None = None, *, leaving: bool = False
    ) -> AsyncIterator[None]:
        """An update's turn: the state is known, and a failure is told in words for a person."""
        self._asked = True
        async with self._turn:
            if self._ending:
                raise to_application_error(
                    Conflict(
                        "the workspace was just closed",
                        code=ErrorCode.WORKSPACE_CLOSED,
                        hint="open it again",
                    )
                )
            self._touched_at = workflow.now()
            known = self._workspace.placement
            try:
                await self._workspace.place(app_id, leaving=leaving)
                if known is None:
                    self._runs.follow()
                yield
            except ActivityError as error:
                placement = self._workspace.placement
                raise refusal(error, placement.node_id if placement else None) from error
            finally:
                self._workspace.changed = True

    # --- opening and closing -----------------------------------------------------------------

    async def _open(self, app_id: int) -> None:
        run = self._runs.current
        if run is not None and run.app_id != app_id:
            await self._runs.stop()
        await ensure_container(self._workspace)
        await remove_owed_checkouts(self._workspace)
        await checkout(self._workspace, app_id)

    async def _close(self) -> None:
        if self._workspace.now.status is WorkspaceStatus.STOPPED:
            return
        await self._workspace.write(status=WorkspaceStatus.STOPPING)
        try:
            await self._runs.stop()
            await save_work(self._workspace)
            await stop_container(self._workspace)
        except ActivityError:
            await self._workspace.write(status=WorkspaceStatus.OPEN)
            raise
        await self._workspace.write(status=WorkspaceStatus.STOPPED)

    async def _bring_back(self) -> None:
        """A dev server that went away with its container, as after a restart of the engine."""
        lost = self._runs.lost
        if lost is None:
            return
        async with self._turn:
            if self._runs.lost is not lost or self._runs.current is not None:
                return
            self._runs.lost = None
            try:
                await ensure_container(self._workspace)
                await self._runs.start(lost.app_id, lost.task)
            except ActivityError:
                workflow.logger.warning("%s could not be brought back", lost.task)

    async def _end(self) -> None:
        """Cancelled from the Temporal UI: closed as by its user; whoever waits is told so."""
        async with self._turn:
            self._ending = True
            try:
                if self._workspace.placement is not None:
                    await self._close()
            except ActivityError:
                workflow.logger.warning("the container could not be stopped: its host is away")
        await self._runs.leave()
        await workflow.wait_condition(workflow.all_handlers_finished)

    # --- time --------------------------------------------------------------------------------

    def _over(self) -> bool:
        return (
            self._workspace.now.status is WorkspaceStatus.STOPPED
            and not self._turn.locked()
            and workflow.all_handlers_finished()
        )

    async def _first_request(self) -> None:
        """The update that started this workflow is handled in the same task, or very soon."""
        try:
            await workflow.wait_condition(lambda: self._asked, timeout=FIRST_REQUEST)
        except TimeoutError:
            workflow.logger.info("started without a request")

    async def _until_due(self) -> None:
        """Until something idles or has changed."""
        due = self._due_at()
        longest = max(due - workflow.now(), timedelta(0)) if due else None
        try:
            await workflow.wait_condition(
                lambda: (
                    self._workspace.changed
                    or self._over()
                    or workflow.info().is_continue_as_new_suggested()
                ),
                timeout=longest,
            )
        except TimeoutError:
            workflow.logger.debug("time to look whether it idles")
        self._workspace.changed = False

    def _due_at(self) -> datetime | None:
        """When what runs, or the container, will have idled for too long."""
        placement = self._workspace.placement
        if placement is None or self._workspace.now.status is WorkspaceStatus.STOPPED:
            return None
        seconds = placement.idle_seconds
        if self._runs.current is not None:
            seconds = min(seconds, placement.run_idle_seconds)
        due = self._touched_at + timedelta(seconds=seconds)
        return max(due, self._not_before) if self._not_before else due

    async def _stop_what_idles(self) -> None:
        async with self._turn:
            due = self._due_at()
            if due is None or workflow.now() < due:
                return
            idle = (workflow.now() - self._touched_at).total_seconds()
            try:
                if idle >= self._workspace.placed.idle_seconds:
                    await self._close()
                else:
                    await self._runs.stop()
            except ActivityError:
                self._not_before = workflow.now() + IDLE_AGAIN

    async def _continue_as_new(self) -> None:
        await workflow.wait_condition(
            lambda: workflow.all_handlers_finished() and not self._turn.locked()
        )
        async with self._turn:
            await self._runs.leave()
            if not workflow.all_handlers_finished():
                # Asked meanwhile, and waiting for its turn: it must not be cut in half.
                self._runs.follow()
                return
        workflow.continue_as_new(
            WorkspaceState(
                user_id=self._workspace.user_id,
                placement=self._workspace.placement,
                record=self._workspace.now,
                touched_at=self._touched_at,
            )
        )
