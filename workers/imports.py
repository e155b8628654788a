"""Imports that nobody follows any more: those of a Git server are asked for again, uploads have failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from sqlmodel import col, select, update
from temporalio.client import Client, WorkflowExecutionStatus

from activities.contracts.imports import ImportState
from activities.import_records import import_columns
from ops.db.session import Database
from ops.db.tables import App, now
from ops.error_codes import ErrorCode
from ops.errors import ErrorReport
from workflows import commands, ids

GRACE = timedelta(seconds=5)
LONGEST_UPLOAD = timedelta(minutes=30)
CUT_SHORT = ErrorReport(
    what="the upload was cut short",
    code=ErrorCode.UPLOAD_CUT_SHORT,
    hint="delete the app and send the archive again",
)

log = structlog.get_logger()


async def take_up_imports(
    client: Client,
    database: Database,
    state: Callable[[str], Awaitable[WorkflowExecutionStatus | None]],
) -> None:
    """``state`` tells how a workflow is, None where there is none."""
    waiting = select(App).where(
        App.import_state == ImportState.PENDING,
        ~col(App.deleting),
        col(App.created_at) < now() - GRACE,
    )
    async with database.session() as session:
        await session.exec(
            update(App)
            .where(
                col(App.import_state) == ImportState.UPLOADING,
                col(App.created_at) < now() - LONGEST_UPLOAD,
            )
            .values(import_columns(CUT_SHORT.in_one, CUT_SHORT))
        )
        apps = (await session.exec(waiting)).all()
    for app in apps:
        assert app.id is not None
        try:
            if await state(ids.import_workflow(app.id)) is not WorkflowExecutionStatus.RUNNING:
                log.info("sweep.import_again", app_id=app.id)
                await commands.import_app(client, app.id, app.user_id)
        except Exception as error:
            log.warning(
                "sweep.import_failed",
                app_id=app.id,
                error=f"{type(error).__name__}: {error}"[:300],
            )
