"""The database engine and sessions. A session commits at the boundary that opened it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from ops.settings import Settings, read_secret

DATABASE = "studio"
DATABASE_USER = "studio"


def database_url(settings: Settings) -> URL:
    """Connection URL of the records; the password is in it, so never log it rendered."""
    return URL.create(
        "mysql+asyncmy",
        username=DATABASE_USER,
        password=read_secret(settings, "mysql-studio").get_secret_value(),
        host="127.0.0.1",
        port=settings.ports.mysql,
        database=DATABASE,
        query={"charset": "utf8mb4"},
    )


class Database:
    """One engine a process. ``async with database.session() as session`` is one transaction."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    @classmethod
    def connect(cls, settings: Settings) -> Database:
        return cls(
            create_async_engine(
                database_url(settings),
                pool_size=5,
                max_overflow=10,
                pool_pre_ping=True,
                pool_recycle=1800,
                isolation_level="READ COMMITTED",
                # An error names the statement; what was written by it is nobody's to log.
                hide_parameters=True,
            )
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session
            await session.commit()

    async def close(self) -> None:
        await self.engine.dispose()
