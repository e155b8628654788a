"""The workspace of whoever asks: opened, closed, and what runs in it."""

from __future__ import annotations

from collections.abc import Awaitable

import structlog
from fastapi import APIRouter
from sqlmodel import select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.contracts.workspace import Run
from api.entry import previews
from api.entry.deps import Caller, Me, Use, changeable, own_app
from api.entry.problems import errors
from api.entry.publishing import locked_owner
from api.entry.schemas_workspace import (
    NewRun,
    OpenApp,
    PreviewTicket,
    RunOut,
    WorkspaceOut,
    WorkspacePatch,
    WorkspaceState,
)
from api.entry.services import Services
from api.entry.workspace_node import is_ready
from ops.db.tables import App, NodeRow, Workspace
from ops.error_codes import ErrorCode
from ops.errors import Conflict, NodeUnavailable
from workflows import workspace_commands as commands
from workflows.commands import GoesOn
from workflows.messages import WorkspaceView

router = APIRouter(prefix="/api/workspace", tags=["workspace"])
log = structlog.get_logger()


async def _described(use: Services, me: Caller) -> WorkspaceOut:
    """As it is recorded."""
    row, node = await _recorded(use, me)
    return WorkspaceOut.of(use.settings, me.id, row, node)


async def _recorded(use: Services, me: Caller) -> tuple[Workspace | None, NodeRow | None]:
    query = (
        select(Workspace, NodeRow)
        .where(Workspace.user_id == me.id)
        .join(NodeRow, NodeRow.node_id == Workspace.node_id, isouter=True)  # type: ignore[arg-type]
    )
    async with use.database.session() as session:
        return (await session.exec(query)).first() or (None, None)


def _runs_nothing_else(row: Workspace, app_id: int) -> bool:
    run = Run.model_validate(row.run) if row.run else None
    return run is None or run.state.ended or run.app_id == app_id


async def _answer(use: Services, me: Caller, asked: Awaitable[WorkspaceView]) -> WorkspaceOut:
    """How it is once it was done, or while that goes on: opening may bring a large repository."""
    try:
        await asked
    except TimeoutError:
        log.info("workspace.takes_long")
    return await _described(use, me)


async def _refuse_while_down(use: Services, me: Caller) -> None:
    """Without waiting for a host that is known not to answer."""
    _refuse_if_down(await _described(use, me))


def _refuse_if_down(found: WorkspaceOut) -> None:
    if found.status is WorkspaceState.NODE_DOWN:
        raise NodeUnavailable(
            f"{found.node}, the host that your workspace is on, is down",
            code=ErrorCode.WORKSPACE_AWAY,
            values={"node": found.node or ""},
            hint="your files are kept; try again when it is back",
        )


@router.get("", responses=errors(401, 503))
async def read_workspace(me: Me, use: Use) -> WorkspaceOut:
    """How it is, and what runs."""
    return await _described(use, me)


@router.patch("", responses=errors(401, 403, 409, 422, 503))
async def change_workspace(body: WorkspacePatch, me: Me, use: Use) -> WorkspaceOut:
    """Takes effect when it is opened the next time."""
    async with use.database.session() as session:
        await _ensure_row(session, me.id)
        await session.exec(
            update(Workspace)
            .where(Workspace.user_id == me.id)  # type: ignore[arg-type]
            .values(dev_mongo=body.dev_mongo)
        )
    return await _described(use, me)


async def _ensure_row(session: AsyncSession, user_id: int) -> None:
    await locked_owner(session, user_id)
    if await session.get(Workspace, user_id) is None:
        session.add(Workspace(user_id=user_id))
        await session.flush()


@router.post("/open", responses=errors(401, 403, 404, 409, 422, 503, 507))
async def open_workspace(body: OpenApp, me: Me, use: Use) -> WorkspaceOut:
    """The container with the app's repository in it; what runs of another app is stopped.

    Asking again changes nothing. A repository that takes long answers STARTING: ask how it is.
    """
    app = changeable(await own_app(use, me, body.app_id))
    assert app.id is not None
    row, node = await _recorded(use, me)
    known = WorkspaceOut.of(use.settings, me.id, row, node)
    _refuse_if_down(known)
    if (
        row is not None
        and (known.status, known.app_id) == (WorkspaceState.RUNNING, app.id)
        and _runs_nothing_else(row, app.id)
        and await is_ready(use, row, app.id)
    ):
        return known
    is_open = goes_on = False
    try:
        await commands.open_app(use.temporal, me.id, app.id)
        is_open = True
    except TimeoutError as late:
        log.info("workspace.takes_long")
        goes_on = isinstance(late, GoesOn)
    found = await _described(use, me)
    if found.status is WorkspaceState.STOPPED and not goes_on:
        raise NodeUnavailable(
            "the deploy control does not answer just now",
            code=ErrorCode.CONTROL_AWAY,
            hint="try again",
        )
    if is_open and found.app_id == app.id:
        return found
    # Whatever is recorded of the time before: what was asked for is not there yet.
    return found.model_copy(update={"status": WorkspaceState.STARTING})


@router.post("/close", responses=errors(401, 403, 409, 503))
async def close_workspace(me: Me, use: Use) -> WorkspaceOut:
    """Uncommitted work is saved to `studio/autosave`, and the container stopped; the files stay."""
    if (await _described(use, me)).status is WorkspaceState.STOPPED:
        return await _described(use, me)
    await _refuse_while_down(use, me)
    return await _answer(use, me, commands.close(use.temporal, me.id))


@router.get("/run", responses=errors(401, 503))
async def read_run(me: Me, use: Use) -> RunOut:
    """The latest run."""
    return (await _described(use, me)).run


@router.post("/run", responses=errors(401, 403, 404, 409, 422, 503, 507))
async def start_run(body: NewRun, me: Me, use: Use) -> RunOut:
    """Runs a task; a server is RUNNING once its port answers. What runs already is left running,
    and refuses another task beside it.

    The workspace is opened where it is not.
    """
    app = changeable(await own_app(use, me, body.app_id))
    assert app.id is not None
    await _refuse_while_down(use, me)
    try:
        found = await _answer(use, me, commands.run(use.temporal, me.id, app.id, body.task))
    except Conflict as refused:
        raise await _with_name(use, me, refused) from None
    return found.run


async def _with_name(use: Services, me: Caller, refused: Conflict) -> Conflict:
    """What runs already, by the name of its app: the workflow knows numbers alone."""
    if refused.code != ErrorCode.RUN_BESIDE:
        return refused
    task, app_id = refused.values["task"], refused.values["app"]
    query = select(App.name).where(App.id == app_id, App.user_id == me.id)
    async with use.database.session() as session:
        name = (await session.exec(query)).first() or f"app {app_id}"
    return Conflict(
        f"{task} of {name} is running",
        code=ErrorCode.RUN_BESIDE,
        values={"task": task, "app": name},
        hint=refused.hint,
    )


@router.delete("/run", responses=errors(401, 403, 409, 503))
async def stop_run(me: Me, use: Use) -> RunOut:
    """Stops what runs, with everything that it started."""
    if (await _described(use, me)).status is WorkspaceState.STOPPED:
        return (await _described(use, me)).run
    await _refuse_while_down(use, me)
    return (await _answer(use, me, commands.stop(use.temporal, me.id))).run


@router.post("/preview-ticket", responses=errors(401, 403, 503))
async def preview_ticket(me: Me, use: Use) -> PreviewTicket:
    """An address that opens your preview in a browser: it is private to you."""
    ticket = await previews.new_ticket(use, me.id, me.token_id)
    return PreviewTicket(url=previews.enter_url(use.settings, me.id, ticket))
