"""Apps: their names, their addresses and what they are doing."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import structlog
from fastapi import APIRouter, status
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.service import RPCError

from activities.contracts.base import DeploymentStatus
from activities.contracts.imports import ImportState
from api.entry import imports, sources
from api.entry.deps import ChangeableApp, Me, OwnedApp, Use
from api.entry.problems import errors
from api.entry.publishing import locked_owner
from api.entry.schemas import AppOut, AppPatch, NewApp, TemplateOut
from api.entry.services import Services
from ops import samples
from ops.db.tables import App, Deployment
from ops.error_codes import ErrorCode
from ops.errors import Conflict, Invalid, LimitReached, NodeUnavailable, StudioError
from ops.names import app_repository
from ops.validation import slug_candidates
from workflows import commands
from workflows.messages import DeleteAppInput

router = APIRouter(prefix="/api", tags=["apps"])
log = structlog.get_logger()

BUSY = (DeploymentStatus.PENDING, DeploymentStatus.RUNNING)
SUFFIX_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
SUFFIX_LENGTH = 5
SLUG_TRIES = 5


async def described(use: Services, apps: Sequence[App]) -> list[AppOut]:
    """The apps with the status that their deployments give them, in two queries for any number."""
    ids = [app.id for app in apps]
    newest = (
        select(func.max(Deployment.id))
        .where(col(Deployment.app_id).in_(ids))
        .group_by(col(Deployment.app_id))
    )
    async with use.database.session() as session:
        last = dict(
            (
                await session.exec(
                    select(Deployment.app_id, Deployment.status).where(
                        col(Deployment.id).in_(newest)
                    )
                )
            ).all()
        )
        busy = set(
            (
                await session.exec(
                    select(Deployment.app_id).where(
                        col(Deployment.app_id).in_(ids), col(Deployment.status).in_(BUSY)
                    )
                )
            ).all()
        )
    return [
        AppOut.of(
            use.settings,
            app,
            busy=app.id in busy,
            last=DeploymentStatus(last[app.id]) if app.id in last else None,
        )
        for app in apps
    ]


@router.get("/templates", responses=errors(503))
async def list_templates() -> list[TemplateOut]:
    """What an app can start from."""
    return [
        TemplateOut(name=name, title=sample.title, description=sample.description)
        for name, sample in samples.SAMPLES.items()
    ]


@router.get("/apps", responses=errors(401, 503))
async def list_apps(me: Me, use: Use) -> list[AppOut]:
    """Your apps, the newest first."""
    query = select(App).where(App.user_id == me.id).order_by(col(App.id).desc())
    async with use.database.session() as session:
        apps = (await session.exec(query)).all()
    return await described(use, apps)


@router.post(
    "/apps",
    status_code=status.HTTP_201_CREATED,
    responses=errors(401, 403, 409, 422, 429, 503),
)
async def create_app(body: NewApp, me: Me, use: Use) -> AppOut:
    """A new app with a Git repository of its own; a taken address gets a suffix."""
    if body.template is not None and body.template not in samples.SAMPLES:
        raise Invalid(
            f"there is no template {body.template[:50]!r}",
            code=ErrorCode.TEMPLATE_MISSING,
            values={"name": body.template[:50], "known": ", ".join(samples.SAMPLES)},
            hint="one of: " + ", ".join(samples.SAMPLES),
            field="template",
        )
    state = ImportState.PENDING if body.git_url is not None else None
    app = await new_app(use, me.id, body, state)
    if state is not None:
        await imports.ask(use, app)
    return (await described(use, [app]))[0]


async def new_app(use: Services, user_id: int, body: NewApp, state: ImportState | None) -> App:
    """The app with its repository."""
    app = await _record(use, user_id, body, state)
    try:
        await sources.prepare(use, app)
    except StudioError:
        await _take_back(use, app)
        raise
    return app


async def _record(use: Services, user_id: int, body: NewApp, state: ImportState | None) -> App:
    """Writes the row under the lock of its user, so that two requests cannot pass the limit."""
    async with use.database.session() as session:
        owner = await locked_owner(session, user_id)
        counting = select(func.count()).select_from(App).where(App.user_id == user_id)
        taken = (await session.exec(counting)).one()
        if taken >= use.settings.max_apps and not owner.is_admin:
            raise LimitReached(
                f"you have {use.settings.max_apps} apps, which is the limit",
                code=ErrorCode.APPS_LIMIT,
                values={"limit": use.settings.max_apps},
                hint="delete one you no longer need",
            )
        for _ in range(SLUG_TRIES):
            suffix = "".join(secrets.choice(SUFFIX_LETTERS) for _ in range(SUFFIX_LENGTH))
            for slug in slug_candidates(body.name, suffix):
                app = App(
                    user_id=user_id,
                    name=body.name,
                    slug=slug,
                    template=body.template,
                    git_url=body.git_url,
                    import_state=state,
                )
                if await _insert(session, app):
                    return app
    raise Conflict(
        "no free address was found for this name",
        code=ErrorCode.NO_FREE_ADDRESS,
        hint="try again or take another name",
    )


async def _insert(session: AsyncSession, app: App) -> bool:
    """False when the slug is taken."""
    try:
        async with session.begin_nested():
            session.add(app)
    except IntegrityError:
        return False
    return True


async def _take_back(use: Services, app: App) -> None:
    """Undoes a creation that failed. What cannot be undone now does no harm: see ``source_ready``."""
    assert app.id is not None
    try:
        await use.gitea.delete_repository(app_repository(app.user_id, app.id))
        async with use.database.session() as session:
            await session.exec(delete(App).where(col(App.id) == app.id))
    except StudioError as error:
        # The row goes all the same; a repository without a row belongs to nobody and is private,
        # and its name is never used again.
        log.warning("apps.repository_left", app_id=app.id, what=error.what)
        async with use.database.session() as session:
            await session.exec(delete(App).where(col(App.id) == app.id))


@router.get("/apps/{app_id}", responses=errors(401, 404, 422, 503))
async def read_app(app: OwnedApp, use: Use) -> AppOut:
    return (await described(use, [app]))[0]


@router.patch("/apps/{app_id}", responses=errors(401, 403, 404, 409, 422, 503))
async def rename_app(app: ChangeableApp, body: AppPatch, use: Use) -> AppOut:
    """Another name; the address stays, so that no link breaks."""
    async with use.database.session() as session:
        await session.exec(update(App).where(col(App.id) == app.id).values(name=body.name))
    app.name = body.name
    return (await described(use, [app]))[0]


@router.delete(
    "/apps/{app_id}",
    status_code=status.HTTP_202_ACCEPTED,
    responses=errors(401, 403, 404, 422, 503),
)
async def delete_app(app: OwnedApp, use: Use) -> AppOut:
    """Deletes the app with everything of it: repository, images, containers, database.

    It shows as DELETING until all is confirmed gone, then as 404. Asking again is the same.
    """
    await begin_deletion(use, app)
    return (await described(use, [app]))[0]


async def begin_deletion(use: Services, app: App) -> None:
    assert app.id is not None
    async with use.database.session() as session:
        await session.exec(update(App).where(col(App.id) == app.id).values(deleting=True))
    app.deleting = True
    try:
        await commands.delete_app(use.temporal, DeleteAppInput(app_id=app.id, user_id=app.user_id))
    except (NodeUnavailable, RPCError) as error:
        log.warning("apps.deletion_left_to_sweep", app_id=app.id, error=str(error)[:300])
