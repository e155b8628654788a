"""``import-{appId}``: an app's first source comes from a public Git server, or why it does not."""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts.imports import (
        IMPORT_REPOSITORY,
        LOAD_IMPORT,
        RECORD_IMPORT,
        ImportEnd,
        ImportRef,
    )
    from activities.contracts.workspace import (
        PLACE_WORKSPACE,
        REGISTER_WORKSPACE_KEY,
        PlaceWorkspaceInput,
    )
    from ops.error_codes import ErrorCode
    from ops.errors import ErrorReport
    from workflows import ids
    from workflows.calls import begin, record, uninterrupted
    from workflows.failures import report_of
    from workflows.policies import CONTROL, IMPORT, PLACE_OR_REFUSE

CANCELLED = ErrorReport(what="the import was cancelled", code=ErrorCode.IMPORT_CANCELLED)


@workflow.defn(name="ImportApp")
class ImportApp:
    def __init__(self) -> None:
        self._host: str | None = None

    @workflow.run
    async def run(self, ref: ImportRef) -> ImportEnd:
        try:
            await self._import(ref)
        except ActivityError as error:
            report = report_of(error, None, self._host)
            if workflow.cancellation_reason() is not None:
                report = CANCELLED
            end = ImportEnd.failed(ref.app_id, report)
        else:
            end = ImportEnd(app_id=ref.app_id)
        await uninterrupted(
            asyncio.create_task(record(RECORD_IMPORT, end, end.error or "it is there"))
        )
        return end

    async def _import(self, ref: ImportRef) -> None:
        """By the user's own key, on the host of their workspace: into their repositories only."""
        wanted = await record(LOAD_IMPORT, ref, "where from", PLACE_OR_REFUSE)
        user = PlaceWorkspaceInput(user_id=wanted.user_id)
        placed = await record(PLACE_WORKSPACE, user, "the user's host and key", PLACE_OR_REFUSE)
        if not placed.key_registered:
            await begin(
                REGISTER_WORKSPACE_KEY,
                user,
                CONTROL,
                queue=ids.CONTROL_QUEUE,
                summary="the key that pushes it",
            )
        self._host = placed.node_id
        await begin(
            IMPORT_REPOSITORY,
            wanted,
            IMPORT,
            queue=ids.node_queue(placed.node_id),
            summary=wanted.git_url,
        )
