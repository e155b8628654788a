"""What is recorded of an app's import: where from, and how it went."""

from __future__ import annotations

from typing import Any

from sqlmodel import col, update
from temporalio import activity

from activities.boundary import reports_errors
from activities.contracts.imports import (
    LOAD_IMPORT,
    RECORD_IMPORT,
    ImportEnd,
    ImportInput,
    ImportRef,
    ImportState,
)
from ops.db.session import Database
from ops.db.tables import App
from ops.error_codes import ErrorCode
from ops.errors import Conflict, ErrorReport, NotFound
from ops.names import app_repository


class ImportRecords:
    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(name=LOAD_IMPORT.name)
    @reports_errors
    async def load_import(self, ref: ImportRef) -> ImportInput:
        async with self._database.session() as session:
            app = await session.get(App, ref.app_id)
        if app is None or app.git_url is None:
            raise NotFound(f"there is no app {ref.app_id} to import")
        if app.deleting:
            raise Conflict("the app is being deleted", code=ErrorCode.APP_DELETING)
        return ImportInput(
            app_id=ref.app_id,
            user_id=app.user_id,
            git_url=app.git_url,
            repository=app_repository(app.user_id, ref.app_id),
        )

    @activity.defn(name=RECORD_IMPORT.name)
    @reports_errors
    async def record_import(self, end: ImportEnd) -> None:
        async with self._database.session() as session:
            await session.exec(
                update(App)
                .where(col(App.id) == end.app_id)
                .values(import_columns(end.error, end.report))
            )


def import_columns(error: str | None, report: ErrorReport | None) -> dict[str, Any]:
    """What an app's row says of an import that has ended; no error: its source is there."""
    return {
        "import_state": ImportState.DONE if error is None else ImportState.FAILED,
        "import_error": error,
        "import_report": report.model_dump(mode="json") if report else None,
    }
