"""Who asks, and what is theirs. Ownership is decided here and nowhere else: somebody else's app or
deployment is a 404, exactly as one that does not exist."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

import structlog
from fastapi import Depends, Path, Request
from fastapi.requests import HTTPConnection
from fastapi.security import APIKeyCookie, HTTPBearer
from sqlalchemy import ColumnElement
from sqlmodel import col, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from api.entry.services import Services
from ops.db.tables import App, Deployment, Token, User, now
from ops.error_codes import ErrorCode
from ops.errors import Conflict, Forbidden, NotFound, Unauthorized
from ops.settings import Settings
from ops.tokens import token_hash

USE_NOTED = timedelta(minutes=1)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# These only write the scheme into OpenAPI; reading the credentials is done below, once for both.
_bearer_scheme = HTTPBearer(auto_error=False, description="A token from login or /api/auth/tokens")
_cookie_scheme = APIKeyCookie(
    name="studio_session", auto_error=False, description="Set by login; writes need the Origin"
)

Id = Annotated[int, Path(ge=1, le=2**53, examples=[7])]


def services(connection: HTTPConnection) -> Services:
    made: Services = connection.app.state.services
    return made


Use = Annotated[Services, Depends(services)]


def cookie_name(settings: Settings) -> str:
    return "__Host-studio_session" if settings.scheme == "https" else "studio_session"


def client_address(request: Request) -> str:
    """The person's address as nginx names it (nothing else can connect here)."""
    return request.headers.get("x-real-ip") or (request.client.host if request.client else "-")


def same_origin(connection: HTTPConnection, settings: Settings) -> bool:
    """Whether the browser says that the studio's own page sent this."""
    origin = connection.headers.get("origin", "")
    return hmac.compare_digest(origin.lower().encode(), settings.studio_url.lower().encode())


@dataclass(frozen=True)
class Caller:
    """Who asks, and by which token."""

    user: User
    token_id: int
    via: Literal["bearer", "cookie"]

    @property
    def id(self) -> int:
        assert self.user.id is not None
        return self.user.id


async def caller(
    request: Request,
    use: Use,
    _bearer: Annotated[object, Depends(_bearer_scheme)],
    _cookie: Annotated[object, Depends(_cookie_scheme)],
) -> Caller:
    return await signed_in(request, use)


async def signed_in(connection: HTTPConnection, use: Services) -> Caller:
    """The signed-in person. What only the cookie vouches for needs the studio's Origin.

    That is every write and every WebSocket.
    """
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    via: Literal["bearer", "cookie"] = "bearer"
    if scheme.lower() != "bearer" or not token:
        via = "cookie"
        token = connection.cookies.get(cookie_name(use.settings), "")
    if not token:
        raise Unauthorized(
            "nobody is signed in",
            code=ErrorCode.NOT_SIGNED_IN,
            hint="`studio login`, or send a bearer token",
        )
    if (
        via == "cookie"
        and connection.scope.get("method") not in SAFE_METHODS
        and not same_origin(connection, use.settings)
    ):
        raise Forbidden(
            "this request does not come from the studio's own page", code=ErrorCode.FOREIGN_PAGE
        )
    query = (
        select(User, Token)
        .where(Token.user_id == User.id, Token.hash == token_hash(token.strip()))
        .where(not_expired())
    )
    async with use.database.session() as session:
        found = (await session.exec(query)).first()
        if found is not None:
            await _note_use(session, found[1])
    if found is None:
        raise Unauthorized(
            "the session has ended, or the token was deleted",
            code=ErrorCode.SESSION_ENDED,
            hint="sign in again",
        )
    user, row = found
    assert row.id is not None
    structlog.contextvars.bind_contextvars(user_id=user.id)
    return Caller(user=user, token_id=row.id, via=via)


async def sender(request: Request) -> int:
    """Whose body it is that comes."""
    return (await signed_in(request, services(request))).id


def not_expired() -> ColumnElement[bool]:
    """Of a session or token, in a query."""
    return or_(col(Token.expires_at).is_(None), col(Token.expires_at) > now())


async def is_good(session: AsyncSession, token_id: int) -> bool:
    """Whether a session or token that was good once still is."""
    query = select(Token.id).where(Token.id == token_id).where(not_expired())
    return (await session.exec(query)).first() is not None


async def _note_use(session: AsyncSession, token: Token) -> None:
    """Once a minute is enough for a person to see which token is not needed any more."""
    since = now() - USE_NOTED
    if token.last_used_at is None or token.last_used_at < since:
        await session.exec(
            update(Token).where(col(Token.id) == token.id).values(last_used_at=now())
        )


Me = Annotated[Caller, Depends(caller)]


async def administrator(me: Me) -> Caller:
    if not me.user.is_admin:
        raise Forbidden("this is for administrators", code=ErrorCode.ADMINISTRATORS_ONLY)
    return me


Admin = Annotated[Caller, Depends(administrator)]


async def own_app(use: Services, me: Caller, app_id: int) -> App:
    """Also for an app that a body or a query names."""
    query = select(App).where(App.id == app_id, App.user_id == me.id)
    async with use.database.session() as session:
        app = (await session.exec(query)).first()
    if app is None:
        raise NotFound(
            f"there is no app {app_id} of yours",
            code=ErrorCode.APP_MISSING,
            values={"id": app_id},
            hint="see `studio apps`",
        )
    structlog.contextvars.bind_contextvars(app_id=app_id)
    return app


async def owned_app(app_id: Id, me: Me, use: Use) -> App:
    return await own_app(use, me, app_id)


OwnedApp = Annotated[App, Depends(owned_app)]


def changeable(app: App) -> App:
    """Raises Conflict for an app that is being deleted."""
    if app.deleting:
        raise Conflict("the app is being deleted", code=ErrorCode.APP_DELETING)
    return app


async def changeable_app(app: OwnedApp) -> App:
    return changeable(app)


ChangeableApp = Annotated[App, Depends(changeable_app)]


@dataclass(frozen=True)
class Owned:
    """A deployment of one's own, with its app."""

    app: App
    deployment: Deployment

    @property
    def id(self) -> int:
        assert self.deployment.id is not None
        return self.deployment.id


async def owned_deployment(deployment_id: Id, me: Me, use: Use) -> Owned:
    query = (
        select(App, Deployment)
        .where(Deployment.app_id == App.id)
        .where(Deployment.id == deployment_id, App.user_id == me.id)
    )
    async with use.database.session() as session:
        found = (await session.exec(query)).first()
    if found is None:
        raise NotFound(
            f"there is no deployment {deployment_id} of yours",
            code=ErrorCode.DEPLOYMENT_MISSING,
            values={"id": deployment_id},
            hint="see `studio deployments`",
        )
    structlog.contextvars.bind_contextvars(app_id=found[0].id, deployment_id=deployment_id)
    return Owned(app=found[0], deployment=found[1])


OwnedDeployment = Annotated[Owned, Depends(owned_deployment)]
