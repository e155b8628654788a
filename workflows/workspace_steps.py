"""The steps of opening and closing a workspace, on its node."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.contracts.base import Confirmed
    from activities.contracts.workspace import (
        ENSURE_CHECKOUT,
        ENSURE_WORKSPACE,
        REGISTER_WORKSPACE_KEY,
        REMOVE_CHECKOUT,
        REMOVE_WORKSPACE,
        SAVE_WORK,
        SETTLE_CHECKOUT,
        STOP_WORKSPACE,
        CheckoutInput,
        CheckoutRef,
        EnsureWorkspaceInput,
        PlaceWorkspaceInput,
        SaveWorkInput,
        WorkspaceRef,
        WorkspaceStatus,
    )
    from workflows import ids
    from workflows.calls import begin, record, until_ended
    from workflows.policies import CHECKOUT, CONTROL, ON_WORKSPACE, SAVE
    from workflows.workspace_state import Workspace


async def ensure_container(workspace: Workspace) -> None:
    """OPEN with a container; without one it is STOPPED."""
    was_open = workspace.now.status is WorkspaceStatus.OPEN
    if not was_open:
        await workspace.write(status=WorkspaceStatus.STARTING)
    try:
        await _container_and_key(workspace)
    except ActivityError as error:
        if not was_open:
            await _take_back(workspace, error)
        raise
    if not was_open:
        await workspace.write(status=WorkspaceStatus.OPEN)


async def _container_and_key(workspace: Workspace) -> None:
    """Both at once, and both to their end: what is under way is never left behind."""
    user_id, placed = workspace.user_id, workspace.placed
    container = begin(
        ENSURE_WORKSPACE,
        EnsureWorkspaceInput(user_id=user_id, slot=placed.slot, dev_mongo=placed.dev_mongo),
        ON_WORKSPACE,
        queue=workspace.queue,
        summary=f"container {ids.workspace_container(user_id)}",
    )
    if not placed.key_registered:
        key = begin(
            REGISTER_WORKSPACE_KEY,
            PlaceWorkspaceInput(user_id=user_id),
            CONTROL,
            queue=ids.CONTROL_QUEUE,
            summary="the key that it pushes with",
        )
        await until_ended(key)
        await until_ended(container)
        key.result()
    await container


async def _take_back(workspace: Workspace, error: ActivityError) -> None:
    """What was half made is stopped, where the host answers at all."""
    if isinstance(error.cause, ApplicationError):
        try:
            await stop_container(workspace)
        except ActivityError:
            workflow.logger.warning("what was begun could not be stopped")
    await workspace.write(status=WorkspaceStatus.STOPPED)


async def checkout(workspace: Workspace, app_id: int) -> None:
    """The app's repository in the container; the app is then the one that is open."""
    await begin(
        ENSURE_CHECKOUT,
        CheckoutInput(
            user_id=workspace.user_id,
            app_id=app_id,
            repository=ids.app_repository(workspace.user_id, app_id),
        ),
        CHECKOUT,
        queue=workspace.queue,
        summary=f"the repository of app {app_id}",
    )
    if workspace.now.app_id != app_id:
        await workspace.write(app_id=app_id)


async def remove_checkout(workspace: Workspace, app_id: int) -> Confirmed:
    """The folder of an app that is deleted; the container runs."""
    ref = CheckoutRef(user_id=workspace.user_id, app_id=app_id)
    gone = await begin(
        REMOVE_CHECKOUT,
        ref,
        ON_WORKSPACE,
        queue=workspace.queue,
        summary=f"remove the folder of app {app_id}",
    )
    await record(SETTLE_CHECKOUT, ref, f"the folder of app {app_id} is gone")
    if workspace.now.app_id == app_id:
        await workspace.write(app_id=None)
    return gone


async def remove_owed_checkouts(workspace: Workspace) -> None:
    """Folders of apps that were deleted while nothing could be done about it here."""
    for app_id in workspace.placed.owed_checkouts:
        try:
            await remove_checkout(workspace, app_id)
        except ActivityError:
            workflow.logger.warning("the folder of app %d is still owed", app_id)


async def remove_workspace(workspace: Workspace) -> Confirmed:
    """The container, the disk and all that is on it."""
    gone = await begin(
        REMOVE_WORKSPACE,
        WorkspaceRef(user_id=workspace.user_id),
        ON_WORKSPACE,
        queue=workspace.queue,
        summary=f"remove {ids.workspace_container(workspace.user_id)} and its disk",
    )
    await workspace.write(status=WorkspaceStatus.STOPPED, app_id=None)
    return gone


async def save_work(workspace: Workspace) -> None:
    """Work that cannot be saved stays on the disk, and keeps nothing from being stopped."""
    try:
        saved = await begin(
            SAVE_WORK,
            SaveWorkInput(user_id=workspace.user_id, app_id=workspace.now.app_id),
            SAVE,
            queue=workspace.queue,
            summary="uncommitted work goes to studio/autosave",
        )
    except ActivityError:
        workflow.logger.warning("uncommitted work could not be saved")
    else:
        for why in saved.failed:
            workflow.logger.warning("not saved: %s", why)


async def stop_container(workspace: Workspace) -> None:
    await begin(
        STOP_WORKSPACE,
        WorkspaceRef(user_id=workspace.user_id),
        ON_WORKSPACE,
        queue=workspace.queue,
        summary=f"stop {ids.workspace_container(workspace.user_id)}",
    )
