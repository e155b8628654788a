"""The first administrator of an installation."""

from __future__ import annotations

import asyncio

from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from ops.db.session import Database
from ops.db.tables import User
from ops.passwords import Passwords
from ops.settings import Settings, read_secret


def ensure_admin(settings: Settings) -> tuple[str, bool]:
    """Make ``settings.admin_email`` an administrator; answers its email and whether it is new.

    A new one gets the password of the secret ``admin-password``. One that exists keeps its own.
    Call it where no event loop runs.
    """
    return asyncio.run(_ensure(settings))


async def _ensure(settings: Settings) -> tuple[str, bool]:
    email = settings.admin_email.lower()
    database = Database.connect(settings)
    try:
        async with database.session() as session:
            user = (await session.exec(select(User).where(User.email == email))).first()
            if user is not None:
                user.is_admin = True
                session.add(user)
                return email, False
        password = read_secret(settings, "admin-password").get_secret_value()
        hashed = await Passwords().hash(password)
        try:
            async with database.session() as session:
                session.add(User(email=email, password_hash=hashed, is_admin=True))
        except IntegrityError:
            # Somebody ran this at the same time.
            return email, False
        return email, True
    finally:
        await database.close()
