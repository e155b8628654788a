"""``deploy-{appId}``: the lock and the queue of one app.

Whatever changes an app's containers is asked of it and runs as its child, one at a time; of what
waits, the newest is carried out, also where an older one is asked for after it. The lock
is the workflow's id: it cannot leak, since it is held only while a child runs, and a child that an
operator terminated is noticed and followed by a repair.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ApplicationError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
)

with workflow.unsafe.imports_passed_through():
    from activities.contracts.base import Confirmed, DeploymentStatus
    from activities.contracts.nodes import OPEN_REPAIR, Repair
    from activities.contracts.records import RECORD_PROGRESS, Progress
    from ops.error_codes import ErrorCode
    from ops.errors import Conflict, ErrorReport, to_application_error
    from workflows import ids
    from workflows.calls import record
    from workflows.delete_app import DeleteApp
    from workflows.deployment import Deployment
    from workflows.failures import displaced_by
    from workflows.messages import (
        CancelRequest,
        DeleteAccepted,
        DeleteAppInput,
        DeployAccepted,
        DeploymentInput,
        DeploymentResult,
        DeployQueue,
        DeployRequest,
        DeployState,
        OnBusy,
    )
    from workflows.policies import APP_ID, DEPLOYMENT_ID, FIRST_REQUEST, USER_ID

#: What a signal to a workflow that has ended fails with.
ENDED_ALREADY = "ExternalWorkflowExecutionNotFound"


@workflow.defn(name="Deploy")
class Deploy:
    """Ends when nothing waits; continues as new between children only."""

    @workflow.init
    def __init__(self, state: DeployState) -> None:
        self._app_id = state.app_id
        self._waiting: list[DeployRequest] = list(state.waiting)
        self._delete = state.delete
        self._running: DeployRequest | None = None
        self._child: workflow.ChildWorkflowHandle[Deployment, DeploymentResult] | None = None

    @workflow.run
    async def run(self, state: DeployState) -> None:
        await self._first_request()
        while self._has_work():
            if self._waiting:
                await self._carry_out(self._waiting.pop(0))
            elif self._delete is not None:
                await self._delete_app(self._delete)
                self._delete = None
            await workflow.wait_condition(workflow.all_handlers_finished)
            if workflow.info().is_continue_as_new_suggested() and self._has_work():
                workflow.continue_as_new(
                    DeployState(app_id=self._app_id, waiting=self._waiting, delete=self._delete)
                )

    def _has_work(self) -> bool:
        return bool(self._waiting) or self._delete is not None

    async def _first_request(self) -> None:
        """The update that started this workflow is handled in the same task, or very soon."""
        try:
            await workflow.wait_condition(self._has_work, timeout=FIRST_REQUEST)
        except TimeoutError:
            workflow.logger.info("started without a request")

    async def _carry_out(self, request: DeployRequest) -> None:
        self._running = request
        try:
            self._child = await workflow.start_child_workflow(
                Deployment.run,
                DeploymentInput(
                    deployment_id=request.deployment_id,
                    app_id=request.app_id,
                    user_id=request.user_id,
                    traceparent=request.traceparent,
                ),
                id=ids.deployment_workflow(request.deployment_id),
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=f"deployment {request.deployment_id} of app {request.app_id}",
                search_attributes=TypedSearchAttributes(
                    [
                        SearchAttributePair(APP_ID, request.app_id),
                        SearchAttributePair(USER_ID, request.user_id),
                        SearchAttributePair(DEPLOYMENT_ID, request.deployment_id),
                    ]
                ),
            )
            await self._child
        except WorkflowAlreadyStartedError:
            workflow.logger.info("deployment %d was carried out before", request.deployment_id)
        except ChildWorkflowError:
            await self._after_terminated(request)
        finally:
            self._child = None
            self._running = None

    async def _after_terminated(self, request: DeployRequest) -> None:
        """An operator ended the child by force: say so, and put right what it left behind."""
        await record(
            RECORD_PROGRESS,
            Progress(
                deployment_id=request.deployment_id,
                version=Progress.FORCED,
                status=DeploymentStatus.FAILED,
                stages=[],
                error=ErrorReport(
                    what="an operator ended this deployment by force",
                    code=ErrorCode.ENDED_BY_FORCE,
                    hint="what it left behind is being cleaned up; deploy again",
                ),
                ended_at=workflow.now(),
            ),
            f"deployment {request.deployment_id} was ended by force",
        )
        if request.repair:
            return
        repair = await record(
            OPEN_REPAIR,
            Repair(app_id=self._app_id, why=f"deployment {request.deployment_id} was terminated"),
            "a repair of what it left behind",
        )
        self._waiting.insert(
            0, request.model_copy(update={"deployment_id": repair.deployment_id, "repair": True})
        )

    async def _delete_app(self, given: DeleteAppInput) -> Confirmed:
        return await workflow.execute_child_workflow(
            DeleteApp.run,
            given,
            id=ids.delete_app_workflow(given.app_id),
            static_summary=f"delete app {given.app_id} and everything of it",
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(APP_ID, given.app_id),
                    SearchAttributePair(USER_ID, given.user_id),
                ]
            ),
        )

    # --- what is asked -----------------------------------------------------------------------

    @workflow.update(description="Run a deployment whose record is written")
    async def submit(self, request: DeployRequest) -> DeployAccepted:
        if self._knows(request.deployment_id):
            return self._accepted(request)
        if request.repair:
            self._waiting.append(request)
            return self._accepted(request)
        newer = self._newer_than(request)
        # An older request that an earlier version of this took is carried out as it was begun.
        if newer is not None and workflow.patched("older-gives-way"):
            # Forced: it may have begun, where Temporal has lost what it knew.
            await self._drop([request], displaced_by(newer), version=Progress.FORCED)
            return self._accepted(request)
        displaced = [waiting for waiting in self._waiting if not waiting.repair]
        self._waiting = [waiting for waiting in self._waiting if waiting.repair]
        self._waiting.append(request)
        why = displaced_by(request.deployment_id)
        if request.on_busy is OnBusy.SUPERSEDE:
            await self._cancel_running(why=why)
        await self._drop(displaced, why)
        return self._accepted(request)

    @submit.validator
    def _submit_allowed(self, request: DeployRequest) -> None:
        if self._delete is not None:
            raise to_application_error(
                Conflict(
                    "the app is being deleted", code=ErrorCode.APP_DELETING, hint="make a new app"
                )
            )
        busy = self._running is not None or bool(self._waiting)
        if busy and request.on_busy is OnBusy.REJECT and not self._knows(request.deployment_id):
            running = self._running.deployment_id if self._running else None
            raise to_application_error(
                Conflict(
                    f"deployment {running or self._waiting[0].deployment_id} is still running",
                    code=ErrorCode.APP_BUSY,
                    hint="wait, cancel it, or deploy with on_busy=queue or on_busy=supersede",
                )
            )

    @workflow.update(description="Delete the app, once what runs has been cancelled")
    async def delete(self, given: DeleteAppInput) -> DeleteAccepted:
        self._delete = given
        displaced, self._waiting = self._waiting, []
        deleted = ErrorReport(what="the app is being deleted", code=ErrorCode.APP_DELETING)
        await self._cancel_running(why=deleted)
        await self._drop(displaced, deleted)
        return DeleteAccepted(app_id=given.app_id)

    @workflow.signal(
        description='Cancel what runs or waits: {"deployment_id": its id, "by": "operator"}'
    )
    async def cancel(self, request: CancelRequest) -> None:
        if self._running and self._running.deployment_id == request.deployment_id:
            await self._cancel_running(request.by)
            return
        dropped = [r for r in self._waiting if r.deployment_id == request.deployment_id]
        self._waiting = [r for r in self._waiting if r not in dropped]
        await self._drop(dropped, None)

    @workflow.query(description="Which deployment runs, and which wait")
    def queue(self) -> DeployQueue:
        return DeployQueue(
            running=self._running.deployment_id if self._running else None,
            waiting=[request.deployment_id for request in self._waiting],
        )

    def _known(self) -> list[DeployRequest]:
        """What runs, then what waits."""
        return [*([self._running] if self._running else []), *self._waiting]

    def _knows(self, deployment_id: int) -> bool:
        return any(known.deployment_id == deployment_id for known in self._known())

    def _newer_than(self, request: DeployRequest) -> int | None:
        """The newest that was asked for after it; ids are given in the order of asking.

        A request that was lost on its way comes late, by the sweep. Repairs are asked for by nobody.
        """
        ids_known = [known.deployment_id for known in self._known() if not known.repair]
        newest = max(ids_known, default=request.deployment_id)
        return newest if newest > request.deployment_id else None

    def _accepted(self, request: DeployRequest) -> DeployAccepted:
        return DeployAccepted(
            deployment_id=request.deployment_id, waiting=self._running is not None
        )

    async def _cancel_running(self, by: str = "user", why: ErrorReport | None = None) -> None:
        running = self._running
        if running is None:
            return
        await workflow.wait_condition(
            lambda: self._child is not None or self._running is not running
        )
        if self._child is None or self._running is not running:
            return
        try:
            await self._child.signal(
                Deployment.cancel,
                CancelRequest(deployment_id=running.deployment_id, by=by, why=why),
            )
        except ApplicationError as error:
            # It has ended, and the word of it is on its way here: there is nothing to cancel.
            if error.type != ENDED_ALREADY:
                raise
            workflow.logger.info(
                "deployment %d ended before its cancel arrived", running.deployment_id
            )

    async def _drop(
        self, requests: list[DeployRequest], why: ErrorReport | None, *, version: int = 1
    ) -> None:
        """Requests that never started end CANCELLED."""
        for request in requests:
            await record(
                RECORD_PROGRESS,
                Progress(
                    deployment_id=request.deployment_id,
                    version=version,
                    status=DeploymentStatus.CANCELLED,
                    stages=[],
                    error=why,
                    ended_at=workflow.now(),
                ),
                f"deployment {request.deployment_id} is cancelled before it began",
            )
