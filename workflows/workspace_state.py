"""What a workspace is just now: one record, written at every change, and where the workspace is."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts.workspace import (
        PLACE_WORKSPACE,
        RECORD_WORKSPACE,
        PlaceWorkspaceInput,
        WorkspacePlacement,
        WorkspaceRecord,
    )
    from workflows import ids
    from workflows.calls import record
    from workflows.messages import WorkspaceState
    from workflows.policies import PLACE_OR_REFUSE


class Workspace:
    """State that the handlers and the followed run of one workflow share."""

    def __init__(self, state: WorkspaceState) -> None:
        self.user_id = state.user_id
        self.placement: WorkspacePlacement | None = state.placement
        self.now = state.record or WorkspaceRecord(user_id=state.user_id)
        self.changed = False
        self._writing = asyncio.Lock()

    async def place(self, app_id: int | None = None, *, leaving: bool = False) -> None:
        """Where it is; the first time also how it was left. Raises when its node is down, and when
        the app that is to be opened, or the user, is being deleted."""
        first = self.placement is None
        self.placement = await record(
            PLACE_WORKSPACE,
            PlaceWorkspaceInput(user_id=self.user_id, app_id=app_id, leaving=leaving),
            f"the place of user {self.user_id}'s workspace",
            PLACE_OR_REFUSE,
        )
        if first:
            self.now = self.placement.recorded

    async def write(self, **changes: Any) -> None:
        """Changes at once; written in the order of the changes, whoever makes them."""
        self.now = self.now.model_copy(update=changes)
        self.changed = True
        async with self._writing:
            now = self.now
            run = f", run {now.run.run_id} is {now.run.state}" if now.run else ""
            await record(RECORD_WORKSPACE, now, f"{now.status}{run}")
        app = f" · app {now.app_id}" if now.app_id is not None else ""
        workflow.set_current_details(f"**{now.status}**{app}{run}")

    @property
    def placed(self) -> WorkspacePlacement:
        assert self.placement is not None
        return self.placement

    @property
    def queue(self) -> str:
        return ids.node_queue(self.placed.node_id)

    @property
    def runs_queue(self) -> str:
        return ids.runs_queue(self.placed.node_id)
