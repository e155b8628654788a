"""Asking for an app's first source to be fetched from a Git server. The record is written first."""

from __future__ import annotations

import structlog
from sqlmodel import col, update
from temporalio.service import RPCError

from activities.contracts.imports import ImportState
from api.entry.services import Services
from ops.db.tables import App
from ops.error_codes import ErrorCode
from ops.errors import Conflict, NodeUnavailable
from workflows import commands

log = structlog.get_logger()


async def ask(use: Services, app: App) -> None:
    """What is not asked for now is by the sweep."""
    assert app.id is not None
    try:
        await commands.import_app(use.temporal, app.id, app.user_id)
    except (NodeUnavailable, RPCError) as error:
        log.warning("imports.left_to_sweep", app_id=app.id, error=str(error)[:300])


async def again(use: Services, app: App) -> None:
    """Raises Conflict unless it has failed."""
    failed = (
        col(App.id) == app.id,
        col(App.git_url).is_not(None),
        col(App.import_state) == ImportState.FAILED,
        col(App.deleting).is_(False),
    )
    values = {"import_state": ImportState.PENDING, "import_error": None, "import_report": None}
    async with use.database.session() as session:
        # In one statement: of two who ask at once, one is told that it is not failed any more.
        asked = await session.exec(update(App).where(*failed).values(values))
    if asked.rowcount == 0:
        raise Conflict(
            "there is no import that has failed",
            code=ErrorCode.IMPORT_NOT_FAILED,
            hint="see `studio status APP`",
        )
    app.import_state, app.import_error, app.import_report = ImportState.PENDING, None, None
    await ask(use, app)


async def arrived(use: Services, app: App) -> None:
    """An upload has ended, and its source is there."""
    values = {"import_state": ImportState.DONE, "import_error": None, "import_report": None}
    async with use.database.session() as session:
        await session.exec(update(App).where(col(App.id) == app.id).values(values))
    app.import_state, app.import_error, app.import_report = ImportState.DONE, None, None
