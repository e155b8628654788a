"""One deployment, from its plan to an app that answers at its public URL, or to no trace of it.

``Deployment.run`` reads as the runbook. Its steps are in this file; how they run, are recorded and
undone is in ``course.py``, ``progress.py`` and ``saga.py``.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts.base import (
        DeploymentKind,
        DeploymentRef,
        DeploymentStatus,
        Release,
        Stage,
        StageStatus,
    )
    from activities.contracts.records import (
        LOAD_PLAN,
        PLACE,
        RECORD_LIVE,
        RECORD_UNLIVE,
        LiveInput,
        OwedUndo,
        PlaceInput,
        Plan,
        UnliveInput,
    )
    from activities.contracts.runtime import (
        CHECK_HEALTH,
        REMOVE_CONTAINER,
        SOAK,
        START_CONTAINER,
        SWITCH_ROUTE,
        HealthInput,
        RemoveInput,
        RouteTarget,
        SoakInput,
        Started,
        StartInput,
        SwitchInput,
    )
    from activities.contracts.servers import ENSURE_DATABASE, VERIFY, DatabaseInput, VerifyInput
    from ops.error_codes import ErrorCode
    from ops.errors import ErrorReport
    from workflows import ids
    from workflows.build import Builder
    from workflows.calls import begin, record, uninterrupted
    from workflows.course import Course
    from workflows.failures import (
        DeploymentCancelled,
        RunnerLost,
        StageFailed,
        lost,
        report_of,
    )
    from workflows.messages import CancelRequest, DeploymentInput, DeploymentResult, RunnerHeld
    from workflows.policies import (
        BACK,
        BACK_SECONDS,
        CONTROL,
        ON_RUNTIME,
        PLACEMENT,
        PULLED,
        STOP,
        WATCHED,
        Policy,
    )
    from workflows.retire import HostAway, old_images, owed_to, retire

PREPARE_SECONDS = 1.0


@workflow.defn(name="Deployment")
class Deployment:
    """Child of ``deploy-{appId}``, which is the lock: nothing else changes the app meanwhile."""

    @workflow.init
    def __init__(self, given: DeploymentInput) -> None:
        self._given = given
        self._too_late = False
        self._live = False
        self._switched = False
        self._plan: Plan | None = None
        self._course = Course(given)
        self._builder = Builder(self._course)

    @workflow.run
    async def run(self, given: DeploymentInput) -> DeploymentResult:
        self._course.open()
        try:
            plan = self._plan = await self._load_plan()
            if plan.kind is DeploymentKind.STOP:
                await self._stop(plan)
            elif plan.kind is DeploymentKind.REPAIR and plan.release is None:
                await self._clear(plan)
            else:
                await self._publish(plan)
        except (DeploymentCancelled, asyncio.CancelledError):
            asked = self._course.cancel_asked
            return await self._undone(DeploymentStatus.CANCELLED, asked.why if asked else None)
        except StageFailed as failure:
            status = DeploymentStatus.ROLLED_BACK if self._live else DeploymentStatus.FAILED
            return await self._undone(status, failure.report)
        except RunnerLost:
            # Only of a deployment that an earlier version began: a lost runner stopped a step that
            # ran elsewhere, and that step knows no other runner.
            return await self._undone(DeploymentStatus.FAILED, lost(Stage.BUILD, None))
        return await self._ended(DeploymentStatus.SUCCEEDED, None, self._course.timeline.removed)

    async def _publish(self, plan: Plan) -> None:
        if plan.release is None and workflow.patched("placed-while-it-is-built"):
            self._course.beside(self._prepare_in_time(plan))
        else:
            self._prepare(plan)
        release = plan.release or await self._builder.make_release(plan)
        await self._course.join_beside()
        started = await self._start(plan, release)
        await self._check_health(plan, release, started)
        await self._switch(plan, release, started)
        await self._verify(plan, release)
        await self._go_live(plan, release)
        await self._soak(plan, release, started)
        await self._retire(plan, plan.container)

    def _prepare(self, plan: Plan) -> None:
        """What the container needs, beside the making of its image."""
        self._course.beside(self._place(plan))
        if plan.kind is not DeploymentKind.REPAIR:
            self._course.beside(self._ensure_database(plan))

    async def _prepare_in_time(self, plan: Plan) -> None:
        """Once the source is there: until then the control has enough to do with telling the runner
        what it needs. Or soon: who waits for a build slot is told that there is no host."""
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._builder.cloned or self._course.stop_asked(), timeout=PREPARE_SECONDS
            )
        self._course.stop_if_cancelled()
        self._prepare(plan)

    async def _stop(self, plan: Plan) -> None:
        if plan.node_id is None:
            raise StageFailed(
                ErrorReport(
                    what="the app was never started",
                    code=ErrorCode.NO_RELEASE,
                    hint="deploy it first",
                )
            )
        self._course.node = plan.node_id
        self._no_way_back()
        await uninterrupted(asyncio.create_task(self._stopped(plan)))

    async def _stopped(self, plan: Plan) -> None:
        """Whether or not its host is there: one that is gone takes it away when it is back."""
        host_is_there = await self._route_removed(plan)
        await record(
            RECORD_UNLIVE,
            UnliveInput(
                deployment_id=plan.deployment_id,
                app_id=plan.app_id,
                previous_deployment_id=plan.live_deployment_id,
                stopped=True,
            ),
            "the app is stopped",
        )
        if host_is_there:
            await self._retire(plan, None)

    async def _route_removed(self, plan: Plan) -> bool:
        """Take its route away. False when its host is gone, to which it is owed then."""
        if not self._course.began_here:
            await self._route_to(plan, None)
            return True
        try:
            await self._route_to(plan, None, STOP)
        except StageFailed:
            await self._course.owe(
                OwedUndo(
                    deployment_id=plan.deployment_id,
                    app_id=plan.app_id,
                    node_id=self._course.node,
                    what="the route and the containers of an app that was stopped",
                )
            )
            owed = owed_to(Stage.SWITCH, self._course.node)
            self._course.timeline.end(Stage.SWITCH, StageStatus.FAILED, owed)
            return False
        return True

    def _no_way_back(self) -> None:
        """From here on it is too late to cancel."""
        self._course.stop_if_cancelled()
        self._too_late = True

    async def _clear(self, plan: Plan) -> None:
        """Repair an app that has no live release: nothing of it may be on its node."""
        if plan.node_id is None:
            return
        self._course.node = plan.node_id
        await self._route_to(plan, None)
        await self._retire(plan, None)

    # --- the steps ---------------------------------------------------------------------------

    async def _load_plan(self) -> Plan:
        ref = DeploymentRef(deployment_id=self._given.deployment_id, app_id=self._given.app_id)
        try:
            return await record(LOAD_PLAN, ref, "what the record asks for")
        except ActivityError as error:
            raise StageFailed(report_of(error, None, None)) from error

    async def _place(self, plan: Plan) -> None:
        placement = await self._course.stage(
            Stage.PLACE,
            PLACE,
            PlaceInput(deployment_id=plan.deployment_id, app_id=plan.app_id),
            PLACEMENT,
            queue=ids.CONTROL_QUEUE,
            summary=f"choose the runtime node of app {plan.app_id}",
        )
        self._course.node = placement.node_id

    async def _ensure_database(self, plan: Plan) -> None:
        await self._course.stage(
            Stage.DATABASE,
            ENSURE_DATABASE,
            DatabaseInput(app_id=plan.app_id, database=plan.database),
            CONTROL,
            queue=ids.CONTROL_QUEUE,
            summary=f"database {plan.database} with credentials of its own",
        )

    async def _start(self, plan: Plan, release: Release) -> Started:
        if plan.kind is not DeploymentKind.REPAIR:
            self._course.saga.on_failure(
                f"container {plan.container}",
                lambda: self._course.undo(
                    REMOVE_CONTAINER,
                    RemoveInput(
                        app_id=plan.app_id, container=plan.container, served=self._switched
                    ),
                ),
                node_id=self._course.node,
            )
        return await self._course.stage(
            Stage.START,
            START_CONTAINER,
            StartInput(
                deployment_id=plan.deployment_id,
                release_id=plan.release_id,
                app_id=plan.app_id,
                user_id=plan.user_id,
                container=plan.container,
                release=release,
                base_path=plan.base_path,
            ),
            PULLED,
            queue=ids.node_queue(self._course.node),
            host=self._course.node,
            summary=f"start {plan.container} from {release.digest[:19]}",
        )

    async def _check_health(self, plan: Plan, release: Release, started: Started) -> None:
        await self._course.stage(
            Stage.HEALTH,
            CHECK_HEALTH,
            _health_input(plan, release, started, plan.health_seconds),
            WATCHED,
            queue=ids.node_queue(self._course.node),
            host=self._course.node,
            summary=f"GET {release.health_path} on port {release.port}",
        )

    async def _switch(self, plan: Plan, release: Release, started: Started) -> None:
        if plan.kind is not DeploymentKind.REPAIR:
            before = started.route
            if before is not None and workflow.patched("back-before-the-container-goes"):
                self._course.saga.on_failure(
                    f"requests to {plan.container}", lambda: self._is_back(plan, release, before)
                )
            self._switched = True
            self._course.saga.on_failure(
                f"route app-{plan.app_id}",
                lambda: self._course.undo(
                    SWITCH_ROUTE,
                    SwitchInput(app_id=plan.app_id, slug=plan.slug, target=started.route),
                ),
                node_id=self._course.node,
            )
        await self._route_to(
            plan,
            RouteTarget(release_id=plan.release_id, address=started.address, port=release.port),
        )

    async def _route_to(
        self, plan: Plan, target: RouteTarget | None, policy: Policy = ON_RUNTIME
    ) -> None:
        await self._course.stage(
            Stage.SWITCH,
            SWITCH_ROUTE,
            SwitchInput(app_id=plan.app_id, slug=plan.slug, target=target),
            policy,
            queue=ids.node_queue(self._course.node),
            host=self._course.node,
            summary=f"route of {plan.slug} → {target.address if target else 'nowhere'}",
        )

    async def _is_back(self, plan: Plan, release: Release, before: RouteTarget) -> None:
        """Requests come to the release before again: the gateway takes a moment for its route."""
        await begin(
            VERIFY,
            VerifyInput(
                app_id=plan.app_id,
                slug=plan.slug,
                release_id=before.release_id,
                health_path=release.health_path,
                seconds=BACK_SECONDS,
            ),
            BACK,
            queue=ids.CONTROL_QUEUE,
            summary=f"the public URL of {plan.slug} answers from release {before.release_id} again",
        )

    async def _verify(self, plan: Plan, release: Release) -> None:
        await self._course.stage(
            Stage.VERIFY,
            VERIFY,
            VerifyInput(
                app_id=plan.app_id,
                slug=plan.slug,
                release_id=plan.release_id,
                health_path=release.health_path,
                seconds=plan.health_seconds,
            ),
            WATCHED,
            queue=ids.CONTROL_QUEUE,
            summary=f"the public URL of {plan.slug} answers from release {plan.release_id}",
        )

    async def _go_live(self, plan: Plan, release: Release) -> None:
        if plan.kind is DeploymentKind.REPAIR:
            return
        back = UnliveInput(
            deployment_id=plan.deployment_id,
            app_id=plan.app_id,
            previous_deployment_id=plan.live_deployment_id,
        )
        self._course.saga.on_failure(
            "live release", lambda: record(RECORD_UNLIVE, back, "what was live before is live")
        )
        live = LiveInput(
            deployment_id=plan.deployment_id,
            app_id=plan.app_id,
            release_id=plan.release_id,
            node_id=self._course.node,
            release=release,
            at=workflow.now(),
        )
        try:
            await record(RECORD_LIVE, live, f"release {plan.release_id} is live")
        except ActivityError as error:
            raise StageFailed(report_of(error, None, None)) from error
        self._live = True

    async def _soak(self, plan: Plan, release: Release, started: Started) -> None:
        await self._course.stage(
            Stage.SOAK,
            SOAK,
            SoakInput(
                app_id=plan.app_id,
                slug=plan.slug,
                check=_health_input(plan, release, started, plan.soak_seconds),
                back=None if plan.kind is DeploymentKind.REPAIR else started.route,
            ),
            WATCHED,
            queue=ids.node_queue(self._course.node),
            host=self._course.node,
            summary=f"watch {plan.container} for {plan.soak_seconds:g} s",
        )

    async def _retire(self, plan: Plan, keep: str | None) -> None:
        """The old release goes."""
        self._no_way_back()
        self._course.timeline.removed = await uninterrupted(
            asyncio.create_task(
                retire(
                    plan,
                    keep,
                    self._course.node,
                    timeline=self._course.timeline,
                    owe=self._course.owe,
                )
            )
        )

    # --- signals -----------------------------------------------------------------------------

    @workflow.signal(description='Cancel it: {"deployment_id": its id, "by": "operator"}')
    def cancel(self, request: CancelRequest) -> None:
        if request.deployment_id == self._given.deployment_id and not self._too_late:
            self._course.cancel_asked = request

    @workflow.signal(description="Sent by a runner whose build slot is held for this deployment")
    def runner_held(self, held: RunnerHeld) -> None:
        self._builder.held(held)

    # --- the end -----------------------------------------------------------------------------

    async def _undone(
        self, status: DeploymentStatus, error: ErrorReport | None
    ) -> DeploymentResult:
        self._course.cancel_by("operator" if status is DeploymentStatus.CANCELLED else "failure")
        await self._course.until_alone()
        gone = await uninterrupted(asyncio.create_task(self._clean_up()))
        return await self._ended(status, error, gone)

    async def _clean_up(self) -> list[str]:
        gone = await self._course.saga.undo()
        host_is_there = bool(self._course.node) and not self._course.saga.lost_hosts
        if self._builder.recorded and host_is_there and workflow.patched("images-of-failures"):
            gone += await self._pruned()
        return gone + await self._builder.released()

    async def _pruned(self) -> list[str]:
        """An app may fail as often as it likes, and leaves no more images than one that goes well.

        What cannot be deleted now is asked for again by its next deployment.
        """
        assert self._plan is not None
        try:
            return await old_images(self._plan, self._course.node)
        except HostAway:
            return []

    async def _ended(
        self, status: DeploymentStatus, error: ErrorReport | None, removed: list[str]
    ) -> DeploymentResult:
        await uninterrupted(asyncio.create_task(self._builder.released()))
        await uninterrupted(
            asyncio.create_task(self._course.timeline.close(status, error, removed))
        )
        return DeploymentResult(
            deployment_id=self._given.deployment_id, status=status, removed=removed
        )


def _health_input(plan: Plan, release: Release, started: Started, seconds: float) -> HealthInput:
    return HealthInput(
        container=plan.container,
        host=plan.host,
        address=started.address,
        port=release.port,
        path=release.health_path,
        seconds=seconds,
    )
