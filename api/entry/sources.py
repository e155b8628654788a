"""An app's Git repository: made with the app, or finished at its next use when that was cut short."""

from __future__ import annotations

from sqlmodel import col, update

from api.entry.services import Services
from ops import samples
from ops.db.tables import App
from ops.error_codes import ErrorCode
from ops.errors import Conflict
from ops.leavers import leave_nothing_on_git
from ops.names import app_repository


async def prepare(use: Services, app: App) -> None:
    """The repository exists, its owner may push to it, and the template is its first commit.

    Each step is safe to repeat, so an API that is killed in the middle leaves nothing wrong.
    """
    assert app.id is not None
    name = app_repository(app.user_id, app.id)
    await use.gitea.ensure_user(app.user_id)
    await use.gitea.ensure_repository(name)
    await use.gitea.allow(name, app.user_id)
    if app.template is not None:
        await use.gitea.first_commit(
            name, samples.files(app.template), f"Start from the template {app.template}"
        )
    wanted = update(App).where(col(App.id) == app.id, col(App.deleting).is_(False))
    async with use.database.session() as session:
        made = await session.exec(wanted.values(source_ready=True))
    if made.rowcount == 0:
        # Its deletion may have looked for the repository before there was one.
        await use.gitea.delete_repository(name)
    # Its user's may have looked for the Git user, too.
    await leave_nothing_on_git(use.database, use.gitea, app.user_id)
    if made.rowcount == 0:
        raise Conflict("the app is being deleted", code=ErrorCode.APP_DELETING)
    app.source_ready = True


async def ensure_prepared(use: Services, app: App) -> None:
    if not app.source_ready:
        await prepare(use, app)
