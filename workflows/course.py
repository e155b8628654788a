"""How the steps of one deployment run: recorded as stages, stopped by a cancel, undone at the end.

What the steps are is in ``deployment.py`` and ``build.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts.base import Activity, Confirmed, Frozen, Stage, StageStatus
    from activities.contracts.records import RECORD_OWED, OwedUndo
    from workflows import ids
    from workflows.calls import begin, first_of, record, until_ended
    from workflows.failures import DeploymentCancelled, RunnerLost, StageFailed, lost, report_of
    from workflows.messages import CancelRequest, DeploymentInput
    from workflows.policies import UNDO, Policy
    from workflows.progress import Timeline
    from workflows.saga import Saga

In = TypeVar("In", bound=Frozen)
Out = TypeVar("Out")


def _good(handle: asyncio.Future[Out]) -> bool:
    """Whether it has ended well: what a runner had done before it was lost is done."""
    return handle.done() and not handle.cancelled() and handle.exception() is None


def _never() -> bool:
    return False


class Course:
    """The state that all steps of a deployment share. ``node`` is where its app is placed.

    ``any_runner_lost`` is asked only by a deployment that an earlier version of this began: whether
    the runner that is held has gone away. ``began_here`` tells those from the others.
    """

    def __init__(self, given: DeploymentInput) -> None:
        self._given = given
        self._beside: list[asyncio.Task[None]] = []
        self.node = ""
        self.cancel_asked: CancelRequest | None = None
        self.any_runner_lost: Callable[[], bool] = _never
        self.began_here = True
        self.timeline = Timeline(given.deployment_id)
        self.saga = Saga(given.deployment_id, given.app_id, self.owe)

    def open(self) -> None:
        self.began_here = workflow.patched("a-lost-runner-is-its-builders")
        self.timeline.open()

    async def stage(
        self,
        stage: Stage,
        activity: Activity[In, Out],
        given: In,
        policy: Policy,
        *,
        queue: str,
        summary: str,
        host: str | None = None,
        runner_lost: Callable[[], bool] = _never,
    ) -> Out:
        """Run one stage's activity, and record how it went.

        Raises StageFailed, DeploymentCancelled or RunnerLost, each after the activity has ended.
        ``runner_lost`` is asked whether the runner that it runs on is gone.
        """
        if not self.began_here:
            runner_lost = self.any_runner_lost
        self.timeline.begin(stage, host)
        handle = begin(activity, given, policy, queue=queue, summary=summary)
        try:
            result = await self._result_of(handle, runner_lost)
        except DeploymentCancelled:
            self.timeline.end(stage, StageStatus.CANCELLED)
            raise
        except RunnerLost:
            self.timeline.end(stage, StageStatus.FAILED, lost(stage, host))
            raise
        except ActivityError as error:
            report = report_of(error, stage, host)
            self.timeline.end(stage, StageStatus.FAILED, report)
            raise StageFailed(report) from error
        except StageFailed:
            # What runs beside has failed: this one is given up.
            if self.began_here:
                self.timeline.end(stage, StageStatus.CANCELLED)
            raise
        self.timeline.end(stage, StageStatus.SUCCEEDED)
        return result

    async def _result_of(self, handle: asyncio.Future[Out], runner_lost: Callable[[], bool]) -> Out:
        """The result of what runs; when a cancel comes first, that it has ended."""
        try:
            await first_of(handle, self.stop_asked, runner_lost)
        except asyncio.CancelledError:
            self.cancelled_by_operator()
        if not handle.done():
            handle.cancel()
            await until_ended(handle)
        self.stop_if_cancelled()
        if runner_lost() and not _good(handle):
            raise RunnerLost
        self.stop_if_beside_failed()
        return handle.result()

    # --- what runs beside ----------------------------------------------------------------------

    def beside(self, step: Coroutine[None, None, None]) -> None:
        """Run a step beside the others; ``join_beside`` waits for it."""
        self._beside.append(asyncio.create_task(step))

    async def join_beside(self) -> None:
        """Wait for what ran beside; it looks for a cancel by itself, so it is never cancelled."""
        for task in self._beside:
            try:
                await workflow.wait_condition(task.done)
            except asyncio.CancelledError:
                self.cancelled_by_operator()
                await until_ended(task)
            task.result()
        self.stop_if_cancelled()

    async def until_alone(self) -> None:
        """Wait until nothing runs beside any more, however it ends."""
        for task in self._beside:
            await until_ended(task)

    # --- cancel and undo -----------------------------------------------------------------------

    def stop_asked(self) -> bool:
        """A cancel came, or what runs beside has failed."""
        return self.cancel_asked is not None or any(
            task.done() and task.exception() is not None for task in self._beside
        )

    def stop_if_cancelled(self) -> None:
        """Raises DeploymentCancelled."""
        if self.cancel_asked is not None:
            raise DeploymentCancelled

    def stop_if_beside_failed(self) -> None:
        """Raises what a step that runs beside has failed with."""
        for task in self._beside:
            if task.done():
                task.result()

    def cancelled_by_operator(self) -> None:
        """A cancellation of the workflow itself takes the same way as the signal."""
        self.cancel_by("operator")

    def cancel_by(self, by: str) -> None:
        """As ``by`` asks; who asked first stays the one who did."""
        if self.cancel_asked is None:
            self.cancel_asked = CancelRequest(deployment_id=self._given.deployment_id, by=by)

    async def undo(self, activity: Activity[In, Out], given: In) -> Confirmed | None:
        """One undo on the app's node; what was confirmed gone."""
        handle = begin(activity, given, UNDO, queue=ids.node_queue(self.node), summary="undo")
        result = await handle
        return result if isinstance(result, Confirmed) else None

    async def owe(self, owed: OwedUndo) -> None:
        await record(RECORD_OWED, owed, f"{owed.node_id} has still to remove: {owed.what}")
