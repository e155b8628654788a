"""Parts of deletions that are asked of other workflows, which workers know and activities do not.

None waits long for them: they need slots of this same queue, and a hundred that wait would have
them all. What is not gone yet is NodeUnavailable, and asked for again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable

from sqlmodel import col, update
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

from activities.boundary import heartbeating, reports_errors
from activities.contracts.base import Confirmed
from activities.contracts.imports import STOP_IMPORT, ImportRef
from activities.contracts.users import DELETE_USER_APP, REMOVE_USER_WORKSPACE, UserApp, UserRef
from activities.contracts.workspace import LEAVE_WORKSPACE, CheckoutRef
from ops.db.session import Database
from ops.db.tables import App
from ops.errors import NodeUnavailable
from workflows import commands, ids, workspace_commands
from workflows.messages import DeleteAppInput
from workflows.policies import UPDATE_ANSWER

LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 1.0
"""What goes fast is confirmed at the first look."""
IMPORT_ENDS_SECONDS = 5.0
"""One that was cancelled has removed its container within this."""


class Removals:
    def __init__(self, database: Database, client: Client) -> None:
        self._database = database
        self._client = client

    @activity.defn(name=DELETE_USER_APP.name)
    @reports_errors
    async def delete_user_app(self, given: UserApp) -> Confirmed:
        """The record says so first: should this end here, the sweep asks for it again."""
        async with heartbeating():
            async with self._database.session() as session:
                marked = await session.exec(
                    update(App)
                    .where(col(App.id) == given.app_id, ~col(App.deleting))
                    .values(deleting=True)
                )
            if marked.rowcount:
                asked = DeleteAppInput(app_id=given.app_id, user_id=given.user_id)
                await commands.delete_app(self._client, asked)
            if await self._goes(given.app_id):
                return await self._confirmed(given.app_id)
        raise NodeUnavailable(f"app {given.app_id} is not gone yet")

    async def _goes(self, app_id: int) -> bool:
        """Whether it is gone within a moment."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await self._is_there(app_id):
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True

    async def _is_there(self, app_id: int) -> bool:
        async with self._database.session() as session:
            return await session.get(App, app_id) is not None

    async def _confirmed(self, app_id: int) -> Confirmed:
        """What the app's own deletion confirmed. Its records go last: they are gone, so all is."""
        handle = self._client.get_workflow_handle(
            ids.delete_app_workflow(app_id), result_type=Confirmed
        )
        with contextlib.suppress(RPCError, WorkflowFailureError):
            confirmed: Confirmed = await handle.result(rpc_timeout=UPDATE_ANSWER)
            return confirmed
        return Confirmed(gone=[f"app {app_id}"])

    @activity.defn(name=REMOVE_USER_WORKSPACE.name)
    @reports_errors
    async def remove_user_workspace(self, given: UserRef) -> Confirmed:
        async with heartbeating():
            return await _answered(workspace_commands.remove(self._client, given.user_id))

    @activity.defn(name=LEAVE_WORKSPACE.name)
    @reports_errors
    async def leave_workspace(self, given: CheckoutRef) -> Confirmed:
        async with heartbeating():
            asked = workspace_commands.leave_app(self._client, given.user_id, given.app_id)
            return await _answered(asked)

    @activity.defn(name=STOP_IMPORT.name)
    @reports_errors
    async def stop_import(self, given: ImportRef) -> Confirmed:
        try:
            async with heartbeating(), asyncio.timeout(IMPORT_ENDS_SECONDS):
                stopped = await commands.cancel_import(self._client, given.app_id)
        except TimeoutError:
            raise NodeUnavailable(f"the import of app {given.app_id} has not ended yet") from None
        return Confirmed(gone=[f"import of app {given.app_id}"] if stopped else [])


async def _answered(asked: Awaitable[Confirmed]) -> Confirmed:
    """Raises NodeUnavailable when there is no answer yet; the work goes on, and is asked for again."""
    try:
        return await asked
    except TimeoutError:
        raise NodeUnavailable("the workspace does not answer yet") from None
