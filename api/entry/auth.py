"""Accounts, sessions and API tokens."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from fastapi import APIRouter, Request, Response, status
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, func, select

from api.entry.deps import Id, Me, Use, client_address, cookie_name, same_origin
from api.entry.problems import errors
from api.entry.publishing import locked_owner
from api.entry.schemas import (
    LoggedIn,
    Login,
    NewToken,
    Register,
    Registered,
    TokenMade,
    TokenOut,
)
from api.entry.schemas import Me as MeOut
from api.entry.services import Services
from ops.db.tables import SignInAttempt, Token, User, now
from ops.error_codes import ErrorCode
from ops.errors import Conflict, Forbidden, LimitReached, NotFound, Unauthorized
from ops.settings import Settings
from ops.tokens import new_token, token_hash

router = APIRouter(prefix="/api", tags=["accounts"])

WIDER = 5
"""How many times more attempts one address may make over all accounts, or all addresses on one."""


def _refuse_foreign_pages(request: Request, settings: Settings) -> None:
    """Another site's page must not sign a browser in or up; scripts send no Origin at all."""
    if "origin" in request.headers and not same_origin(request, settings):
        raise Forbidden(
            "this request does not come from the studio's own page", code=ErrorCode.FOREIGN_PAGE
        )


def attempt_keys(email: str, address: str) -> dict[str, int]:
    """What is counted, and how many times its limit is the setting's."""
    parts = {f"{email} {address}": 1, f"@ {address}": WIDER, f"{email} @": WIDER}
    return {hashlib.sha256(part.encode()).hexdigest(): times for part, times in parts.items()}


async def begin_attempt(use: Services, keys: dict[str, int]) -> list[int]:
    """Counts an attempt before its password is looked at; answers the ids of what was written.

    Many at once would otherwise all find that nobody has failed yet. Raises LimitReached when one
    of ``keys`` was used too often within the window; the refused attempt itself does not count.
    """
    settings = use.settings
    window = timedelta(seconds=settings.sign_in_window_seconds)
    rows = [SignInAttempt(key=key) for key in keys]
    async with use.database.session() as session:
        await session.exec(delete(SignInAttempt).where(col(SignInAttempt.at) < now() - window))
        session.add_all(rows)
    begun = [row.id for row in rows if row.id is not None]
    counting = (
        select(SignInAttempt.key, func.count())
        .where(col(SignInAttempt.key).in_(keys), SignInAttempt.at > now() - window)
        .group_by(SignInAttempt.key)
    )
    async with use.database.session() as session:
        counts = (await session.exec(counting)).all()
    if any(count > settings.sign_in_attempts * keys[key] for key, count in counts):
        await forget_attempt(use, begun)
        minutes = max(1, settings.sign_in_window_seconds // 60)
        raise LimitReached(
            "too many attempts to sign in",
            code=ErrorCode.TOO_MANY_SIGN_INS,
            values={"minutes": minutes},
            hint=f"try again in {minutes} minutes",
        )
    return begun


async def forget_attempt(use: Services, begun: list[int]) -> None:
    async with use.database.session() as session:
        await session.exec(delete(SignInAttempt).where(col(SignInAttempt.id).in_(begun)))


async def _registered(use: Services, email: str) -> User | None:
    """The person of exactly this address.

    The database's collation also finds ``ádmin@…`` for ``admin@…``: every such spelling would have
    a limit of its own for guessing one person's password.
    """
    async with use.database.session() as session:
        user = (await session.exec(select(User).where(User.email == email))).first()
    return user if user is not None and user.email == email else None


@router.post(
    "/auth/register", status_code=status.HTTP_201_CREATED, responses=errors(403, 409, 422, 503)
)
async def register(body: Register, request: Request, use: Use) -> Registered:
    """A new account."""
    _refuse_foreign_pages(request, use.settings)
    hashed = await use.passwords.hash(body.password.get_secret_value())
    user = User(email=body.email, password_hash=hashed)
    try:
        async with use.database.session() as session:
            session.add(user)
    except IntegrityError:
        raise Conflict(
            "this email has an account already",
            code=ErrorCode.EMAIL_TAKEN,
            hint="sign in",
            field="email",
        ) from None
    assert user.id is not None
    return Registered(id=user.id, email=user.email)


@router.post("/auth/login", responses=errors(401, 403, 409, 422, 429, 503))
async def login(body: Login, request: Request, response: Response, use: Use) -> LoggedIn:
    """A session: its token, and the same one as a cookie for browsers."""
    _refuse_foreign_pages(request, use.settings)
    email = body.email.strip().lower()
    begun = await begin_attempt(use, attempt_keys(email, client_address(request)))
    user = await _registered(use, email)
    hashed = user.password_hash if user else None
    wrong = Unauthorized("email or password is wrong", code=ErrorCode.WRONG_CREDENTIALS)
    password = body.password.get_secret_value()
    if not await use.passwords.verify(password, hashed) or user is None or hashed is None:
        raise wrong
    await forget_attempt(use, begun)
    assert user.id is not None
    renewed = await use.passwords.renewed(password, hashed)
    token = new_token()
    lifetime = timedelta(days=use.settings.session_days)
    async with use.database.session() as session:
        owner = await locked_owner(session, user.id)
        if owner.password_hash != hashed:
            # Changed since it was looked at, which ended all sessions: no later one is of the old.
            # Or only made anew, by a sign-in at the same time.
            if not await use.passwords.verify(password, owner.password_hash):
                raise wrong
        elif renewed is not None:
            owner.password_hash = renewed
        await session.exec(delete(Token).where(col(Token.expires_at) < now()))
        session.add(Token(user_id=user.id, hash=token_hash(token), expires_at=now() + lifetime))
    response.set_cookie(
        cookie_name(use.settings),
        token,
        max_age=int(lifetime.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=use.settings.scheme == "https",
    )
    return LoggedIn(token=token)


@router.post(
    "/auth/logout", status_code=status.HTTP_204_NO_CONTENT, responses=errors(401, 403, 503)
)
async def logout(me: Me, response: Response, use: Use) -> None:
    """Ends the session (or deletes the token) that this request was made with."""
    async with use.database.session() as session:
        await session.exec(delete(Token).where(col(Token.id) == me.token_id))
    response.delete_cookie(
        cookie_name(use.settings),
        path="/",
        httponly=True,
        samesite="lax",
        secure=use.settings.scheme == "https",
    )


@router.get("/auth/tokens", responses=errors(401, 503))
async def list_tokens(me: Me, use: Use) -> list[TokenOut]:
    """Your API tokens; what they are is shown only when they are made."""
    query = (
        select(Token)
        .where(Token.user_id == me.id, col(Token.name).is_not(None))
        .order_by(col(Token.id).desc())
    )
    async with use.database.session() as session:
        return [TokenOut.of(row) for row in await session.exec(query)]


@router.post(
    "/auth/tokens",
    status_code=status.HTTP_201_CREATED,
    responses=errors(401, 403, 409, 422, 503),
)
async def create_token(body: NewToken, me: Me, use: Use) -> TokenMade:
    """A token for scripts. It is in this answer only."""
    token = new_token()
    days = body.expires_in_days
    row = Token(
        user_id=me.id,
        hash=token_hash(token),
        name=body.name,
        expires_at=now() + timedelta(days=days) if days else None,
    )
    async with use.database.session() as session:
        await locked_owner(session, me.id)
        session.add(row)
    return TokenMade(token=token, **TokenOut.of(row).model_dump())


@router.delete(
    "/auth/tokens/{token_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=errors(401, 403, 404, 422, 503),
)
async def delete_token(token_id: Id, me: Me, use: Use) -> None:
    """The token works no longer."""
    query = delete(Token).where(
        col(Token.id) == token_id, col(Token.user_id) == me.id, col(Token.name).is_not(None)
    )
    async with use.database.session() as session:
        if (await session.exec(query)).rowcount == 0:
            raise NotFound(f"there is no token {token_id} of yours", code=ErrorCode.TOKEN_MISSING)


@router.get("/me", responses=errors(401, 503))
async def read_me(me: Me, use: Use) -> MeOut:
    """Who is signed in, and within which limits."""
    settings = use.settings
    return MeOut(
        id=me.id,
        email=me.user.email,
        is_admin=me.user.is_admin,
        created_at=me.user.created_at,
        limits={
            "apps": settings.max_apps,
            "live_apps": settings.max_live,
            "memory_mb": settings.app_memory_mb,
            "cpus": settings.app_cpus,
        },
    )
