"""Apps that begin with source from elsewhere: an archive that is sent, an import that is repeated."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, status

from activities.contracts.imports import ImportState
from api.entry import imports
from api.entry.apps import begin_deletion, described, new_app
from api.entry.deps import Caller, ChangeableApp, Me, Use
from api.entry.fields import AppName
from api.entry.problems import errors
from api.entry.schemas import AppOut, NewApp
from api.entry.services import Services
from api.entry.workspace_node import asked
from ops.db.tables import App
from ops.error_codes import ErrorCode
from ops.errors import NodeUnavailable, StudioError
from workflows import workspace_commands as commands

router = APIRouter(prefix="/api", tags=["apps"])

MESSAGE = "Start from an archive"


@router.post(
    "/apps/archive",
    status_code=status.HTTP_201_CREATED,
    responses=errors(401, 403, 409, 422, 429, 503, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def create_app_from_archive(
    name: Annotated[AppName, Query()], request: Request, me: Me, use: Use
) -> AppOut:
    """A new app that begins with what is in a zip. It is unpacked and committed in the workspace.

    An archive that is refused makes no app.
    """
    app = await new_app(use, me.id, NewApp(name=name), ImportState.UPLOADING)
    try:
        await _fill(use, me, app, request)
    except StudioError:
        await begin_deletion(use, app)
        raise
    await imports.arrived(use, app)
    return (await described(use, [app]))[0]


async def _fill(use: Services, me: Caller, app: App, request: Request) -> None:
    assert app.id is not None
    try:
        await commands.open_app(use.temporal, me.id, app.id)
    except TimeoutError:
        raise NodeUnavailable(
            "the workspace takes too long to open",
            code=ErrorCode.WORKSPACE_OPENING,
            hint="try again",
        ) from None
    of_app = {"app_id": app.id}
    await asked(use, me, "/files/archive", params=of_app | {"path": ""}, content=request.stream())
    author = {"name": me.user.email.partition("@")[0], "email": me.user.email}
    await asked(use, me, "/git/commit", params=of_app, body={"message": MESSAGE} | author)
    await asked(use, me, "/git/push", params=of_app)


@router.post(
    "/apps/{app_id}/import",
    status_code=status.HTTP_202_ACCEPTED,
    responses=errors(401, 403, 404, 409, 422, 503),
)
async def import_again(app: ChangeableApp, use: Use) -> AppOut:
    """Tries an import from a Git server again that has failed."""
    await imports.again(use, app)
    return (await described(use, [app]))[0]
