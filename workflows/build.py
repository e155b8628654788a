"""Making a release: hold a runner's build slot, then clone, build and push on that runner.

Held is a slot, not a promise: when the runner dies, its hold times out, whatever ran there is
given up, and the work starts again from clone on the next runner that has a slot.
"""

from __future__ import annotations

from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts.base import Activity, Confirmed, DeploymentRef, Frozen, Release, Stage
    from activities.contracts.records import (
        FIND_BUILT,
        RECORD_OWED,
        RECORD_PUSHED,
        FindBuiltInput,
        OwedUndo,
        Plan,
        PushedInput,
    )
    from activities.contracts.runner import (
        BUILD,
        CLONE,
        DISCARD_BUILD,
        HOLD_RUNNER,
        PUSH,
        BuildInput,
        CloneInput,
        CloneResult,
        HoldInput,
        PushInput,
        RunnerHeld,
    )
    from activities.contracts.servers import DELETE_UNNAMED_IMAGES, UnnamedImagesInput
    from ops.error_codes import ErrorCode
    from ops.errors import ErrorReport
    from workflows import ids
    from workflows.calls import begin, record, until_ended
    from workflows.course import Course
    from workflows.failures import RunnerLost, StageFailed, lost_with_its_host
    from workflows.policies import HOLD, MAX_RUNNER_TRIES, ON_RUNNER, PRUNE, UNDO, Policy

In = TypeVar("In", bound=Frozen)
Out = TypeVar("Out")


class Builder:
    """The part of one deployment that runs on runners."""

    def __init__(self, course: Course) -> None:
        self._course = course
        course.any_runner_lost = self._lost
        self._held: dict[int, str] = {}
        self._holds: list[workflow.ActivityHandle[None]] = []
        self._hold: workflow.ActivityHandle[None] | None = None
        self._used: list[str] = []
        self._discards: list[workflow.ActivityHandle[Confirmed]] = []
        self._ref: DeploymentRef | None = None
        self._push_undone = False
        self.cloned = False
        """Whether the source was there, once."""
        self.recorded = False
        """Whether a record names the image."""

    def held(self, held: RunnerHeld) -> None:
        """The signal of a runner whose slot is occupied for us."""
        self._held[held.hold_id] = held.node_id

    def _lost(self) -> bool:
        """The runner that is in use is gone."""
        return self._hold is not None and self._hold.done()

    async def make_release(self, plan: Plan) -> Release:
        self._ref = DeploymentRef(deployment_id=plan.deployment_id, app_id=plan.app_id)
        for hold_id in range(1, MAX_RUNNER_TRIES + 1):
            hold = begin(
                HOLD_RUNNER,
                HoldInput(deployment_id=plan.deployment_id, hold_id=hold_id),
                HOLD,
                queue=ids.RUNNER_QUEUE,
                summary=f"hold a build slot for deployment {plan.deployment_id}",
            )
            self._holds.append(hold)
            runner = await self._runner(hold, hold_id)
            if runner is None:
                continue
            self._hold = hold
            try:
                release = await self._on_runner(plan, runner)
            except RunnerLost:
                await self._owe_discard(runner)
                continue
            finally:
                self._hold = None
                hold.cancel()
            self._begin_discard(runner)
            return release
        raise StageFailed(
            _no_runner("the runner was lost again and again", code=ErrorCode.RUNNERS_LOST)
        )

    async def _runner(self, hold: workflow.ActivityHandle[None], hold_id: int) -> str | None:
        """Which runner holds a slot for us; None when it was lost before it could say so."""
        await workflow.wait_condition(
            lambda: hold_id in self._held or hold.done() or self._course.stop_asked()
        )
        if hold_id in self._held and not hold.done():
            runner = self._held[hold_id]
            if runner not in self._used:
                self._used.append(runner)
            return runner
        self._course.stop_if_cancelled()
        self._course.stop_if_beside_failed()
        error = hold.exception()
        if isinstance(error, ActivityError) and self._nobody_took_it(hold_id, error):
            raise StageFailed(
                _no_runner("no runner had a free build slot", code=ErrorCode.NO_RUNNER)
            ) from error
        return None

    def _nobody_took_it(self, hold_id: int, error: ActivityError) -> bool:
        """Not lost with a runner that had it, but never had by any."""
        lost = self._course.began_here and lost_with_its_host(error)
        return hold_id not in self._held and not lost

    async def _on_runner(self, plan: Plan, runner: str) -> Release:
        source = await self._clone(plan, runner)
        self._course.timeline.commit = source.commit
        self.cloned = True
        found = await record(
            FIND_BUILT,
            FindBuiltInput(app_id=plan.app_id, build_key=source.build_key),
            "was this very source built before?",
        )
        if found.release is not None:
            return await self._pushed(plan, source, found.release.digest)
        built = await self._stage(
            Stage.BUILD,
            BUILD,
            BuildInput(
                deployment_id=plan.deployment_id,
                app_id=plan.app_id,
                user_id=plan.user_id,
                repository=plan.repository,
                source=source,
                base_path=plan.base_path,
            ),
            ON_RUNNER,
            runner,
            f"build {source.commit[:10]} as a {source.recipe} app",
        )
        self._undo_of_push(plan)
        pushed = await self._stage(
            Stage.PUSH,
            PUSH,
            PushInput(
                deployment_id=plan.deployment_id,
                app_id=plan.app_id,
                repository=plan.repository,
                commit=source.commit,
                image_id=built.image_id,
            ),
            ON_RUNNER,
            runner,
            f"push {plan.repository}:{source.commit[:10]}",
        )
        return await self._pushed(plan, source, pushed.digest)

    def _undo_of_push(self, plan: Plan) -> None:
        """Once, however often it is pushed: it looks for whatever no record names."""
        if not self._push_undone and workflow.patched("undo-of-a-push"):
            self._push_undone = True
            self._course.saga.on_failure("images in no record", lambda: self._unnamed_gone(plan))

    async def _unnamed_gone(self, plan: Plan) -> Confirmed:
        if self.recorded:
            return Confirmed(gone=[])
        return await begin(
            DELETE_UNNAMED_IMAGES,
            UnnamedImagesInput(app_id=plan.app_id, repository=plan.repository),
            PRUNE,
            queue=ids.CONTROL_QUEUE,
            summary=f"delete what was pushed to {plan.repository} and is in no record",
        )

    async def _clone(self, plan: Plan, runner: str) -> CloneResult:
        return await self._stage(
            Stage.CLONE,
            CLONE,
            CloneInput(
                deployment_id=plan.deployment_id,
                app_id=plan.app_id,
                user_id=plan.user_id,
                repository=plan.repository,
                ref=plan.ref,
                base_path=plan.base_path,
            ),
            ON_RUNNER,
            runner,
            f"clone {plan.repository} at {plan.ref}",
        )

    async def _pushed(self, plan: Plan, source: CloneResult, digest: str) -> Release:
        release = Release(
            repository=plan.repository,
            digest=digest,
            commit=source.commit,
            port=source.port,
            health_path=source.health_path,
        )
        await record(
            RECORD_PUSHED,
            PushedInput(
                deployment_id=plan.deployment_id,
                app_id=plan.app_id,
                release=release,
                build_key=source.build_key,
            ),
            f"the image is {digest[:19]}",
        )
        self.recorded = True
        return release

    async def _stage(
        self,
        stage: Stage,
        activity: Activity[In, Out],
        given: In,
        policy: Policy,
        runner: str,
        summary: str,
    ) -> Out:
        return await self._course.stage(
            stage,
            activity,
            given,
            policy,
            queue=ids.node_queue(runner),
            host=runner,
            summary=summary,
            runner_lost=self._lost,
        )

    # --- ending ------------------------------------------------------------------------------

    def _begin_discard(self, runner: str) -> None:
        """The checkout is of no use any more; it goes while the deployment goes on."""
        if self._ref is not None and runner in self._used:
            self._used.remove(runner)
            self._discards.append(
                begin(
                    DISCARD_BUILD,
                    self._ref,
                    UNDO,
                    queue=ids.node_queue(runner),
                    summary="remove the checkout",
                )
            )

    async def _owe_discard(self, runner: str) -> None:
        """A lost runner clears its own remains when it is back: nobody waits for it."""
        if self._ref is None:
            return
        await record(
            RECORD_OWED,
            OwedUndo(
                deployment_id=self._ref.deployment_id,
                app_id=self._ref.app_id,
                node_id=runner,
                what="checkout and build",
            ),
            f"{runner} has its checkout still to remove",
        )
        self._used.remove(runner)

    async def released(self) -> list[str]:
        """Wait until no slot is held and no checkout is left; answers what was confirmed gone."""
        for hold in self._holds:
            if not hold.done():
                hold.cancel()
        for runner in list(self._used):
            self._begin_discard(runner)
        gone: list[str] = []
        for hold in self._holds:
            await until_ended(hold)
        for discard in self._discards:
            await until_ended(discard)
            if discard.exception() is None:
                gone.extend(discard.result().gone)
        if self._holds:
            gone.append("build slot")
        self._holds.clear()
        self._discards.clear()
        return gone


def _no_runner(what: str, *, code: ErrorCode) -> ErrorReport:
    return ErrorReport(
        stage=Stage.CLONE.value,
        what=what,
        code=code,
        hint="look at `studio nodes`: a runner has to be UP; then retry",
    )
