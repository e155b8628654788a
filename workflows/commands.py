"""What the API and the sweep ask of the workflows. Each is safe to repeat."""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.contracts.base import Frozen
from activities.contracts.imports import ImportRef
from activities.contracts.users import UserRef
from ops.error_codes import ErrorCode
from ops.errors import NodeUnavailable, from_application_error
from ops.telemetry import deployment_span
from workflows import ids
from workflows.messages import (
    CancelRequest,
    DeleteAccepted,
    DeleteAppInput,
    DeployAccepted,
    DeployQueue,
    DeployRequest,
    DeployState,
    DrainOrder,
)
from workflows.policies import APP_ID, UPDATE_ANSWER, USER_ID

LEAST_PATIENCE = timedelta(milliseconds=100)
_AWAY = (
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,  # how the SDK's own time limit of a call shows
)

Answer = TypeVar("Answer", bound=Frozen)


class GoesOn(TimeoutError):
    """The workflow has taken it up, and is not done yet."""


async def submit(client: Client, request: DeployRequest) -> DeployAccepted:
    """Ask ``deploy-{appId}`` to run a deployment whose row is already written.

    Raises Conflict when the app is busy and ``on_busy`` is REJECT, or when it is being deleted.
    """
    with deployment_span(
        request.traceparent,
        deployment_id=request.deployment_id,
        app_id=request.app_id,
        user_id=request.user_id,
    ) as traceparent:
        return await _update_with_start(
            client,
            "submit",
            request.model_copy(update={"traceparent": traceparent}),
            f"submit-{request.deployment_id}",
            DeployAccepted,
            request.app_id,
            request.user_id,
        )


async def cancel(client: Client, app_id: int, deployment_id: int, by: str = "user") -> None:
    """Signal a cancel. What became of it is seen in the deployment; unknown or ended is ignored."""
    try:
        await client.get_workflow_handle(ids.deploy_workflow(app_id)).signal(
            "cancel", CancelRequest(deployment_id=deployment_id, by=by)
        )
    except RPCError as failure:
        if failure.status is not RPCStatusCode.NOT_FOUND:
            raise


async def queue(client: Client, app_id: int) -> DeployQueue:
    """What runs and waits for an app just now."""
    try:
        state: DeployQueue = await client.get_workflow_handle(ids.deploy_workflow(app_id)).query(
            "queue", result_type=DeployQueue
        )
        return state
    except RPCError as failure:
        if failure.status is RPCStatusCode.NOT_FOUND:
            return DeployQueue(running=None, waiting=[])
        raise


async def delete_app(client: Client, app: DeleteAppInput) -> None:
    """Ask ``deploy-{appId}`` to delete its app; asking twice is the same deletion."""
    await _update_with_start(
        client, "delete", app, f"delete-{app.app_id}", DeleteAccepted, app.app_id, app.user_id
    )


async def import_app(client: Client, app_id: int, user_id: int) -> None:
    """Start ``import-{appId}``; asking twice is the same import. Its record is written."""
    try:
        await client.start_workflow(
            "ImportApp",
            ImportRef(app_id=app_id, user_id=user_id),
            id=ids.import_workflow(app_id),
            task_queue=ids.CONTROL_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"the first source of app {app_id}",
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(APP_ID, app_id), SearchAttributePair(USER_ID, user_id)]
            ),
            rpc_timeout=UPDATE_ANSWER,
        )
    except RPCError as failure:
        if failure.status not in _AWAY:
            raise
        raise NodeUnavailable(
            "the deploy control does not answer just now",
            code=ErrorCode.CONTROL_AWAY,
            hint="the request is recorded and is taken up when it is back",
        ) from None


async def cancel_import(client: Client, app_id: int) -> bool:
    """Returns once ``import-{appId}`` has ended; False when none ran."""
    handle = client.get_workflow_handle(ids.import_workflow(app_id))
    try:
        if (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING:
            return False
        await handle.cancel()
        with contextlib.suppress(WorkflowFailureError):
            await handle.result()
    except RPCError as failure:
        if failure.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True


async def delete_user(client: Client, user_id: int) -> None:
    """Start ``delete-user-{userId}``; asking twice is the same deletion. Its record is written."""
    try:
        await client.start_workflow(
            "DeleteUser",
            UserRef(user_id=user_id),
            id=ids.delete_user_workflow(user_id),
            task_queue=ids.CONTROL_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"delete user {user_id} and everything of theirs",
            search_attributes=TypedSearchAttributes([SearchAttributePair(USER_ID, user_id)]),
            rpc_timeout=UPDATE_ANSWER,
        )
    except RPCError as failure:
        if failure.status not in _AWAY:
            raise
        raise NodeUnavailable(
            "the deploy control does not answer just now",
            code=ErrorCode.CONTROL_AWAY,
            hint="the request is recorded and is taken up when it is back",
        ) from None


async def _update_with_start(
    client: Client,
    update: str,
    request: Frozen,
    update_id: str,
    answer: type[Answer],
    app_id: int,
    user_id: int,
) -> Answer:
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        "Deploy",
        DeployState(app_id=app_id),
        id=ids.deploy_workflow(app_id),
        task_queue=ids.CONTROL_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=f"deployments of app {app_id}, one at a time",
        search_attributes=TypedSearchAttributes(
            [
                SearchAttributePair(APP_ID, app_id),
                SearchAttributePair(USER_ID, user_id),
            ]
        ),
    )
    try:
        return await ask(client, start, update, request, answer, UPDATE_ANSWER, update_id)
    except TimeoutError:
        raise NodeUnavailable(
            "the deploy control does not answer just now",
            code=ErrorCode.CONTROL_AWAY,
            hint="the request is recorded and is taken up when it is back",
        ) from None


async def ask(
    client: Client,
    start: WithStartWorkflowOperation[Any, Any],
    update: str,
    request: Frozen,
    answer: type[Answer],
    patience: timedelta,
    update_id: str | None = None,
) -> Answer:
    """An update's answer, of a workflow that is started where it does not run.

    Raises what the workflow refused with; GoesOn when it has taken it up and is not done within
    ``patience``, another TimeoutError when nobody has taken it up.
    """
    began = time.monotonic()
    taken_up = False
    try:
        handle = await client.start_update_with_start_workflow(
            update,
            request,
            wait_for_stage=WorkflowUpdateStage.ACCEPTED,
            start_workflow_operation=start,
            id=update_id,
            result_type=answer,
            rpc_timeout=patience,
        )
        taken_up = True
        left = patience - timedelta(seconds=time.monotonic() - began)
        given: Answer = await handle.result(rpc_timeout=max(left, LEAST_PATIENCE))
        return given
    except WorkflowUpdateFailedError as failure:
        if isinstance(failure.cause, ApplicationError):
            raise from_application_error(failure.cause) from None
        raise
    except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError) as failure:
        with contextlib.suppress(RPCError):
            await start.workflow_handle()  # has failed as well, or asyncio logs it as forgotten
        if isinstance(failure, RPCError) and failure.status not in _AWAY:
            raise
        raise (GoesOn if taken_up else TimeoutError) from None


async def drain(client: Client, node_id: str, order: DrainOrder) -> None:
    """Tell ``node-{nodeId}``; one that never said hello reads the order when it first does."""
    handle = client.get_workflow_handle(ids.node_workflow(node_id))
    try:
        await handle.signal("drain", order)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
