"""Who may see a preview: its owner, by a cookie of the preview's own origin, got for a ticket.

The same, with tickets and cookies of its own, for VS Code in a workspace. Neither origin ever sees
the studio's session. A ticket is good once and for a minute; both it
and the cookie end with the session (or token) that they were asked with.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import timedelta
from typing import Literal
from urllib.parse import urlencode

from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.contracts.workspace import WorkspaceStatus
from api.entry.deps import not_expired
from api.entry.services import Services
from ops.db.tables import PreviewPass, Token, Workspace, now
from ops.settings import Settings
from ops.tokens import token_hash

TICKET_LIFETIME = timedelta(minutes=1)
COOKIE_LIFETIME = timedelta(hours=12)
ENTER = ".studio/enter"
SHARE = ".studio/share"

Place = Literal["preview", "code"]
Kind = Literal["ticket", "cookie", "to-code", "code"]
TICKETS: dict[Place, Kind] = {"preview": "ticket", "code": "to-code"}
COOKIES: dict[Place, Kind] = {"preview": "cookie", "code": "code"}


def set_cookie(
    settings: Settings, user_id: int, value: str, lifetime: timedelta = COOKIE_LIFETIME
) -> str:
    """The header's value. The studio frames a preview, whose cookies are then another site's."""
    parts = [
        f"{settings.preview_cookie}={value}",
        f"Max-Age={int(lifetime.total_seconds())}",
        f"Path={settings.preview_base_path(user_id)}",
        "HttpOnly",
    ]
    if settings.routing == "names":
        parts += ["Secure", "SameSite=None", "Partitioned"]
    else:
        parts += ["SameSite=Lax"] + (["Secure"] if settings.scheme == "https" else [])
    return "; ".join(parts)


def set_code_cookie(settings: Settings, value: str) -> str:
    """VS Code is never framed, and no other page gives its requests this cookie, but to open it."""
    lifetime = int(COOKIE_LIFETIME.total_seconds())
    name = settings.preview_cookie
    return f"{name}={value}; Max-Age={lifetime}; Path=/; HttpOnly; Secure; SameSite=Lax"


def enter_url(settings: Settings, user_id: int, ticket: str, to: str = "/") -> str:
    asked = {"ticket": ticket} | ({"to": to} if to != "/" else {})
    return f"{settings.preview_url(user_id)}{ENTER}?{urlencode(asked)}"


def enter_code_url(settings: Settings, user_id: int, ticket: str, app_id: int) -> str:
    """Leads to VS Code with the app's folder."""
    asked = {"ticket": ticket, "to": f"/?folder=/workspace/apps/{app_id}"}
    return f"{settings.code_url(user_id)}{ENTER}?{urlencode(asked)}"


def share_url(settings: Settings, user_id: int, token: str) -> str:
    return f"{settings.preview_url(user_id)}{SHARE}?{urlencode({'token': token})}"


def landing(settings: Settings, user_id: int, to: str) -> str:
    """Where a browser goes once it may: a path of the same preview, whatever was asked for."""
    plain = to.isascii() and to.isprintable() and not set(to) & set("\\ ")
    if not to.startswith("/") or to.startswith("//") or not plain:
        to = "/"
    return settings.preview_base_path(user_id) + to[1:]


async def new_ticket(use: Services, user_id: int, token_id: int, place: Place = "preview") -> str:
    return await _new(use, user_id, token_id, TICKETS[place], TICKET_LIFETIME)


async def cookie_for(
    use: Services, user_id: int, ticket: str, place: Place = "preview"
) -> str | None:
    """A new cookie for a ticket, which is then used up; None when it was, or is too old."""
    found = await _find(use, user_id, ticket, TICKETS[place])
    if found is None:
        return None
    async with use.database.session() as session:
        used = await session.exec(delete(PreviewPass).where(col(PreviewPass.id) == found.id))
    if used.rowcount != 1:
        return None
    return await _new(use, user_id, found.token_id, COOKIES[place], COOKIE_LIFETIME)


async def may_see(use: Services, user_id: int, cookie: str) -> bool:
    return await _find(use, user_id, cookie, COOKIES["preview"]) is not None


async def code_pass(use: Services, user_id: int, cookie: str) -> int | None:
    """The id of the pass to VS Code that a cookie is; None when it is none, or none any more."""
    found = await _find(use, user_id, cookie, COOKIES["code"])
    return found.id if found else None


async def good(session: AsyncSession, pass_ids: Collection[int]) -> dict[int, Workspace]:
    """Of these passes to VS Code, the ones that are still good, with the workspace that is open."""
    query = (
        select(PreviewPass.id, Workspace)
        .where(PreviewPass.token_id == Token.id, Workspace.user_id == PreviewPass.user_id)
        .where(
            col(PreviewPass.id).in_(pass_ids),
            PreviewPass.kind == COOKIES["code"],
            col(PreviewPass.expires_at) > now(),
            not_expired(),
            Workspace.status == WorkspaceStatus.OPEN,
        )
    )
    return {number: row for number, row in await session.exec(query) if number is not None}


async def _new(use: Services, user_id: int, token_id: int, kind: Kind, lifetime: timedelta) -> str:
    made = secrets.token_urlsafe(32)
    row = PreviewPass(
        user_id=user_id,
        token_id=token_id,
        kind=kind,
        hash=token_hash(made),
        expires_at=now() + lifetime,
    )
    async with use.database.session() as session:
        old = delete(PreviewPass).where(
            col(PreviewPass.user_id) == user_id, col(PreviewPass.expires_at) < now()
        )
        await session.exec(old)
        session.add(row)
    return made


async def _find(use: Services, user_id: int, given: str, kind: Kind) -> PreviewPass | None:
    if not given:
        return None
    query = (
        select(PreviewPass, Token)
        .where(PreviewPass.token_id == Token.id)
        .where(
            PreviewPass.hash == token_hash(given),
            PreviewPass.user_id == user_id,
            PreviewPass.kind == kind,
            col(PreviewPass.expires_at) > now(),
        )
    )
    async with use.database.session() as session:
        found = (await session.exec(query)).first()
    if found is None:
        return None
    row, token = found
    return row if token.expires_at is None or token.expires_at > now() else None
