"""What nginx asks of previews, and of VS Code: who may see one, and where it is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Query, Request, Response, status
from temporalio.service import RPCError

from activities.contracts.nodes import NodeStatus
from activities.contracts.workspace import Run, WorkspaceStatus
from api.entry import previews, share_links
from api.entry.deps import Use, signed_in
from api.entry.internal import LARGEST_ID, upstream
from api.entry.services import Services
from api.entry.throttle import Throttle
from ops.db.tables import App, NodeRow, ShareLink, Workspace, now
from ops.errors import StudioError, Unauthorized
from workflows import workspace_commands as commands

router = APIRouter(prefix="/internal", include_in_schema=False)
log = structlog.get_logger()

TOUCH_SECONDS = 30.0
GUESTS = "guests"
"""nginx's name for the way of those who come by a share link."""
CODE_SLOT = "code-{}"
"""What the gateway calls the port of VS Code in a slot's container."""
_touches = Throttle(TOUCH_SECONDS)
_beside: set[asyncio.Task[None]] = set()

Why = Literal["stopped", "starting", "down", "shared"]
"""Why there is nothing to see, as one of nginx's own pages says it (``preview-{why}``)."""
UserId = Annotated[int, Query(ge=1, le=LARGEST_ID)]


@router.get("/preview")
async def preview(request: Request, user_id: UserId, use: Use) -> Response:
    """204 with where it is. 401: it is not yours. 403: there is nothing to see, for a reason.

    A page load at the studio's own name is answered with a way into the preview's origin.
    """
    token_id = await _own_token(request, use, user_id)
    cookie = request.cookies.get(use.settings.preview_cookie, "")
    if token_id is None and not await previews.may_see(use, user_id, cookie):
        link = await share_links.link_of(use, user_id, cookie)
        return Response(status_code=401) if link is None else await _for_guest(use, link)
    page_load = request.headers.get("x-studio-page-load") == "1"
    headers: dict[str, str] = {}
    if token_id is not None and page_load and use.settings.routing == "names":
        ticket = await previews.new_ticket(use, user_id, token_id)
        to = request.headers.get("x-studio-rest", "/")
        headers["X-Studio-Enter"] = previews.enter_url(use.settings, user_id, ticket, to)
        return Response(status_code=204, headers=headers)
    return await _where(use, user_id, page_load)


@router.get("/code")
async def code(request: Request, user_id: UserId, use: Use) -> Response:
    """The same of VS Code, which its owner alone may see, by a cookie of its own.

    Its sockets go by way of who can cut them, and are known by the pass that opened them.
    """
    cookie = request.cookies.get(use.settings.preview_cookie, "")
    pass_id = await previews.code_pass(use, user_id, cookie)
    if pass_id is None:
        return Response(status_code=401)
    where = await _where(use, user_id, page_load=False, slot=CODE_SLOT)
    where.headers["X-Studio-Pass"] = str(pass_id)
    return where


async def _own_token(request: Request, use: Services, user_id: int) -> int | None:
    """The session or token that the owner signed in with, where nginx passed one on."""
    try:
        me = await signed_in(request, use)
    except Unauthorized:
        return None
    return me.token_id if me.id == user_id else None


async def _for_guest(use: Services, link: ShareLink) -> Response:
    """By way of who can cut the connection again. Nothing is woken, nor kept awake."""
    assert link.id is not None
    async with use.database.session() as session:
        row = (await share_links.shown(session, [link.id])).get(link.id)
        node = await session.get(NodeRow, row.node_id) if row and row.node_id else None
    if row is None or node is None or node.status == NodeStatus.DOWN:
        return _not_now("shared")
    return _found(use, row, GUESTS, {"X-Studio-Guest": str(link.id)})


async def _where(use: Services, user_id: int, page_load: bool, slot: str = "{}") -> Response:
    async with use.database.session() as session:
        row = await session.get(Workspace, user_id)
        node = await session.get(NodeRow, row.node_id) if row and row.node_id else None
        app = await session.get(App, row.app_id) if row and row.app_id else None
    if row is None or node is None or row.slot is None:
        return _not_now("stopped")
    if node.status == NodeStatus.DOWN:
        return _not_now("down")
    if row.status != WorkspaceStatus.OPEN:
        wakes = page_load and app is not None and app.id is not None and not app.deleting
        if wakes and row.status == WorkspaceStatus.STOPPED:
            assert app is not None
            assert app.id is not None
            _in_background(_wake(use, user_id, app.id))
        return _not_now("starting" if wakes else "stopped")
    _touches.ask(user_id, partial(_touch, use, user_id))
    return _found(use, row, upstream(node.node_id), {"X-Studio-Slot": slot.format(row.slot)})


def _found(use: Services, row: Workspace, by: str, more: dict[str, str]) -> Response:
    headers = {
        "X-Studio-Upstream": by,
        "X-Studio-Slot": str(row.slot),
        "X-Studio-Host": use.settings.preview_host(row.user_id),
    }
    if row.run is not None and Run.model_validate(row.run).keeps_prefix:
        headers["X-Studio-Prefix"] = use.settings.preview_base_path(row.user_id).rstrip("/")
    return Response(status_code=204, headers=headers | more)


def _not_now(why: Why) -> Response:
    return Response(status_code=403, headers={"X-Studio-Why": why})


def _in_background(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    _beside.add(task)
    task.add_done_callback(_beside.discard)


async def _wake(use: Services, user_id: int, app_id: int) -> None:
    try:
        await commands.open_app(use.temporal, user_id, app_id)
    except (StudioError, RPCError, TimeoutError) as error:
        log.warning("preview.not_woken", user_id=user_id, error=str(error)[:300])


async def _touch(use: Services, user_id: int) -> None:
    try:
        await commands.touch(use.temporal, user_id)
    except (StudioError, RPCError) as error:
        log.warning("preview.not_touched", user_id=user_id, error=str(error)[:300])


@router.get("/preview/enter")
async def enter(user_id: UserId, use: Use, ticket: str = "", to: str = "/") -> Response:
    """A ticket becomes a cookie of the preview's own origin."""
    cookie = await previews.cookie_for(use, user_id, ticket[:200])
    if cookie is None:
        return _used_up("the preview")
    return _entered(
        previews.landing(use.settings, user_id, to),
        previews.set_cookie(use.settings, user_id, cookie),
    )


@router.get("/code/enter")
async def enter_code(user_id: UserId, use: Use, ticket: str = "", to: str = "/") -> Response:
    """A ticket becomes a cookie of VS Code's own origin."""
    cookie = await previews.cookie_for(use, user_id, ticket[:200], "code")
    if cookie is None:
        return _used_up("VS Code from the studio")
    home = previews.landing(use.settings, user_id, to)
    return _entered(home, previews.set_code_cookie(use.settings, cookie))


def _used_up(what: str) -> Response:
    return Response(
        f"This link was used already, or is older than a minute. Open {what} again.\n",
        status_code=status.HTTP_403_FORBIDDEN,
        media_type="text/plain",
    )


@router.get("/preview/share")
async def enter_as_guest(request: Request, user_id: UserId, use: Use, token: str = "") -> Response:
    """A share link becomes the same cookie; who may see more keeps what they have."""
    home = previews.landing(use.settings, user_id, "/")
    known = request.cookies.get(use.settings.preview_cookie, "")
    if await previews.may_see(use, user_id, known):
        return _entered(home, None)
    link = await share_links.link_of(use, user_id, token[:200])
    if link is None:
        return Response(
            "This link has expired or was withdrawn. Ask whoever sent it for a new one.\n",
            status_code=status.HTTP_403_FORBIDDEN,
            media_type="text/plain",
        )
    left = link.expires_at - now()
    return _entered(home, previews.set_cookie(use.settings, user_id, token, left))


def _entered(to: str, cookie: str | None) -> Response:
    headers = {"Location": to, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return Response(
        status_code=status.HTTP_303_SEE_OTHER,
        headers=headers if cookie is None else headers | {"Set-Cookie": cookie},
    )
