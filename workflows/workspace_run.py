"""The run of a workspace: one at a time, followed for as long as it lasts.

A run outlives the worker that started it; the activity that follows it only looks. One that served
and went away with its container is brought back once the container is.
"""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts.workspace import (
        FOLLOW_RUN,
        START_RUN,
        STOP_RUN,
        FollowRunInput,
        Run,
        RunEnded,
        RunReady,
        RunRef,
        RunState,
        RunTask,
        StartRunInput,
    )
    from ops.error_codes import ErrorCode
    from ops.errors import Conflict, ErrorReport, to_application_error
    from workflows.calls import begin, until_ended
    from workflows.failures import report_of
    from workflows.policies import FOLLOW, ON_WORKSPACE, RUN_ENDS, RUN_OR_REFUSE
    from workflows.workspace_state import Workspace


class Runs:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._followed: asyncio.Task[None] | None = None
        self._looking: workflow.ActivityHandle[RunEnded] | None = None
        self.lost: Run | None = None
        """A run that served when its container went away."""

    @property
    def current(self) -> Run | None:
        """The run that has not ended."""
        run = self._workspace.now.run
        return run if run is not None and not run.state.ended else None

    def refuse_beside(self, app_id: int, task: RunTask) -> None:
        """One at a time: what runs already has to be the same."""
        run = self.current
        if run is not None and (run.app_id, run.task) != (app_id, task):
            raise to_application_error(
                Conflict(
                    f"{run.task} of app {run.app_id} is running",
                    code=ErrorCode.RUN_BESIDE,
                    values={"task": run.task.value, "app": run.app_id},
                    hint="stop it first",
                )
            )

    async def start(self, app_id: int, task: RunTask) -> None:
        """STARTING; or ended, with the reason, when it could not be started. The container is there."""
        workspace = self._workspace
        self.lost = None
        run = Run(
            run_id=workspace.now.run_count + 1,
            app_id=app_id,
            task=task,
            started_at=workflow.now(),
        )
        await workspace.write(run=run, run_count=run.run_id)
        try:
            await begin(
                START_RUN,
                StartRunInput(
                    user_id=workspace.user_id,
                    run_id=run.run_id,
                    app_id=app_id,
                    task=task,
                    base_path=workspace.placed.base_path,
                    public_url=workspace.placed.public_url,
                ),
                RUN_OR_REFUSE,
                queue=workspace.queue,
                summary=f"start {task} of app {app_id}",
            )
        except ActivityError as error:
            why = report_of(error, None, workspace.placed.node_id)
            await self._ended(run.run_id, RunEnded(exit_code=None), why)
            raise
        if not task.serves:
            await self._become(run.run_id, RunState.RUNNING)
        self.follow()

    async def stop(self) -> None:
        """Ends the run; one that had no end to tell within a moment counts as ended."""
        run = self.current
        self.lost = None
        if run is None:
            return
        await self._become(run.run_id, RunState.STOPPING)
        try:
            await begin(
                STOP_RUN,
                RunRef(user_id=self._workspace.user_id, run_id=run.run_id),
                ON_WORKSPACE,
                queue=self._workspace.queue,
                summary=f"stop {run.task}",
            )
        except ActivityError:
            await self._become(run.run_id, run.state)
            raise
        try:
            await workflow.wait_condition(lambda: self.current is None, timeout=RUN_ENDS)
        except TimeoutError:
            await self.leave()
            await self._ended(run.run_id, RunEnded(exit_code=None))

    async def ready(self, told: RunReady) -> None:
        """Its port answers."""
        run = self.current
        if run is not None and run.state is RunState.STARTING:
            await self._become(told.run_id, RunState.RUNNING, keeps_prefix=told.keeps_prefix)

    def follow(self) -> None:
        """Look after the run that has not ended, if there is one."""
        run = self.current
        if run is not None and self._workspace.placement is not None:
            self._followed = asyncio.create_task(self._follow(run))

    async def leave(self) -> None:
        """No longer look after the run; it goes on."""
        if self._followed is None:
            return
        if self._looking is not None:
            self._looking.cancel()
        await until_ended(self._followed)

    async def _follow(self, run: Run) -> None:
        self._looking = begin(
            FOLLOW_RUN,
            FollowRunInput(
                user_id=self._workspace.user_id, run_id=run.run_id, serves=run.task.serves
            ),
            FOLLOW,
            queue=self._workspace.runs_queue,
            summary=f"follow {run.task} of app {run.app_id}",
        )
        try:
            ended = await self._looking
        except ActivityError:
            workflow.logger.info("run %d is followed no longer", run.run_id)
            return
        await self._ended(run.run_id, ended)

    async def _ended(self, run_id: int, ended: RunEnded, why: ErrorReport | None = None) -> None:
        run = self.current
        if run is None or run.run_id != run_id:
            return
        if run.state is RunState.RUNNING and run.task.serves and ended.exit_code is None:
            self.lost = run
        asked = run.state is RunState.STOPPING
        await self._workspace.write(
            run=run.model_copy(
                update={
                    "state": RunState.STOPPED if asked else RunState.EXITED,
                    "exit_code": ended.exit_code,
                    "log_tail": ended.log_tail,
                    "report": why,
                }
            )
        )

    async def _become(self, run_id: int, state: RunState, **more: bool) -> None:
        run = self.current
        if run is not None and run.run_id == run_id:
            await self._workspace.write(run=run.model_copy(update={"state": state, **more}))
