"""What the API and the sweep ask of ``workspace-{userId}``. Each is safe to repeat."""

from __future__ import annotations

from typing import Any, TypeVar

from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from activities.contracts.base import Confirmed, Frozen
from activities.contracts.workspace import CheckoutRef, RunTask, WorkspaceRef
from workflows import ids
from workflows.commands import ask
from workflows.messages import OpenRequest, RunRequest, WorkspaceState, WorkspaceView
from workflows.policies import USER_ID, WORKSPACE_ANSWER

Answer = TypeVar("Answer", bound=Frozen)


async def open_app(client: Client, user_id: int, app_id: int) -> WorkspaceView:
    """Raises TimeoutError while it is not open yet (it goes on), as all of these do."""
    return await _view(client, user_id, "open", OpenRequest(app_id=app_id))


async def run(client: Client, user_id: int, app_id: int, task: RunTask) -> WorkspaceView:
    """Raises Conflict when something else runs; asking for what runs already changes nothing."""
    return await _view(client, user_id, "run", RunRequest(app_id=app_id, task=task))


async def stop(client: Client, user_id: int) -> WorkspaceView:
    return await _view(client, user_id, "stop", WorkspaceRef(user_id=user_id))


async def close(client: Client, user_id: int) -> WorkspaceView:
    return await _view(client, user_id, "close", WorkspaceRef(user_id=user_id))


async def resume(client: Client, user_id: int) -> WorkspaceView:
    """After a workflow was ended by force: a new one takes its place."""
    return await _view(client, user_id, "resume", WorkspaceRef(user_id=user_id))


async def leave_app(client: Client, user_id: int, app_id: int) -> Confirmed:
    """What runs of the app is stopped, its folder is gone; nothing where it is not open."""
    given = CheckoutRef(user_id=user_id, app_id=app_id)
    return await _ask(client, user_id, "leave_app", given, Confirmed)


async def remove(client: Client, user_id: int) -> Confirmed:
    """The workspace with everything in it. Raises NodeUnavailable while its host is away."""
    return await _ask(client, user_id, "remove", WorkspaceRef(user_id=user_id), Confirmed)


async def touch(client: Client, user_id: int) -> None:
    """Somebody uses it. A workspace that is stopped stays so."""
    try:
        await client.get_workflow_handle(ids.workspace_workflow(user_id)).signal(
            "touch", WorkspaceRef(user_id=user_id)
        )
    except RPCError as failure:
        if failure.status is not RPCStatusCode.NOT_FOUND:
            raise


async def _view(client: Client, user_id: int, update: str, request: Frozen) -> WorkspaceView:
    return await _ask(client, user_id, update, request, WorkspaceView)


async def _ask(
    client: Client, user_id: int, update: str, request: Frozen, answer: type[Answer]
) -> Answer:
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        "OpenWorkspace",
        WorkspaceState(user_id=user_id),
        id=ids.workspace_workflow(user_id),
        task_queue=ids.CONTROL_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=f"the workspace of user {user_id}",
        search_attributes=TypedSearchAttributes([SearchAttributePair(USER_ID, user_id)]),
    )
    return await ask(client, start, update, request, answer, WORKSPACE_ANSWER)
