"""What is done to people's accounts on the platform's own machine, where nobody has to sign in.

Whoever has forgotten a password cannot ask the API for another one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlmodel import col, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ops.db.session import Database
from ops.db.tables import AccountDeletion, Token, User, now
from ops.error_codes import ErrorCode
from ops.errors import Conflict, Invalid, NodeUnavailable, NotFound
from ops.passwords import MAX_LENGTH, MIN_LENGTH, Passwords
from ops.settings import Settings
from ops.tokens import new_token, token_hash

ADD_ADMINISTRATOR = "ops/studio admin add EMAIL"
OWN_SESSION = timedelta(days=1)
"""Longer than anything that the platform asks of its own API takes."""


@asynccontextmanager
async def records(settings: Settings) -> AsyncIterator[Database]:
    """Those of a platform on this machine. Raises NodeUnavailable when they do not answer."""
    database = Database.connect(settings)
    try:
        yield database
    except (OperationalError, InterfaceError) as error:
        raise NodeUnavailable(
            "the records do not answer",
            code=ErrorCode.RECORDS_AWAY,
            hint="is the platform up? ops/supervisorctl status",
        ) from error
    finally:
        await database.close()


async def administrators(session: AsyncSession) -> list[User]:
    """Locked until the commit, always in the same order, so that of two last ones one stays.

    Whose account is being deleted is none any more.
    """
    locked = select(User).where(col(User.is_admin)).order_by(col(User.id)).with_for_update()
    found = (await session.exec(locked)).all()
    going = set((await session.exec(select(AccountDeletion.user_id))).all())
    return [one for one in found if one.id not in going]


async def end_sessions(session: AsyncSession, user_id: int, *, but: int | None = None) -> None:
    """All of this person's, or all but one. What was made for scripts is no session."""
    sessions = delete(Token).where(col(Token.user_id) == user_id, col(Token.name).is_(None))
    if but is not None:
        sessions = sessions.where(col(Token.id) != but)
    await session.exec(sessions)


async def reset_password(database: Database, email: str, password: str) -> int:
    """Ends all sessions of theirs; how many API tokens go on working."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise Invalid(f"a password has from {MIN_LENGTH} to {MAX_LENGTH} characters")
    hashed = await Passwords().hash(password)
    async with database.session() as session:
        user = await _person(session, email)
        assert user.id is not None
        user.password_hash = hashed
        session.add(user)
        await end_sessions(session, user.id)
        left = select(func.count()).select_from(Token).where(Token.user_id == user.id)
        return (await session.exec(left)).one()


async def add_administrator(database: Database, email: str) -> None:
    async with database.session() as session:
        user = await _person(session, email)
        user.is_admin = True
        session.add(user)


async def remove_administrator(database: Database, email: str) -> None:
    """Raises Conflict for the last one."""
    async with database.session() as session:
        admins = await administrators(session)
        user = await _person(session, email)
        if [one.id for one in admins] == [user.id]:
            raise Conflict(
                f"{user.email} is the last administrator",
                code=ErrorCode.LAST_ADMINISTRATOR,
                hint=f"make somebody else one first: {ADD_ADMINISTRATOR}",
            )
        user.is_admin = False
        session.add(user)


async def new_session(database: Database, email: str) -> str:
    """The token of a session of theirs that ends by itself, whatever their password is by now."""
    token = new_token()
    async with database.session() as session:
        user = await _person(session, email)
        assert user.id is not None
        ends = now() + OWN_SESSION
        session.add(Token(user_id=user.id, hash=token_hash(token), expires_at=ends))
    return token


async def _person(session: AsyncSession, email: str) -> User:
    """Locked until the commit."""
    wanted = email.strip().lower()
    query = select(User).where(User.email == wanted).with_for_update()
    user = (await session.exec(query)).first()
    # The database's collation takes ``ádmin@…`` for ``admin@…``.
    if user is None or user.email != wanted:
        raise NotFound(f"nobody is registered as {wanted}")
    if await session.get(AccountDeletion, user.id) is not None:
        raise Conflict(f"the account of {wanted} is being deleted", code=ErrorCode.ACCOUNT_DELETING)
    return user
