"""Records in memory, for unit tests of what reads and writes them; nobody else is at them.

SQLite knows no lock of a row, and MariaDB's own statements (``put_stages``) do not run on it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool
from sqlmodel import Session, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from ops.db.session import Database


class RecordsInMemory(Database):
    def __init__(self) -> None:
        self._engine = create_engine("sqlite://", poolclass=StaticPool)
        SQLModel.metadata.create_all(self._engine)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        with Session(self._engine, expire_on_commit=False) as session:
            yield cast(AsyncSession, _Awaited(session))
            session.commit()

    async def add(self, *rows: SQLModel) -> None:
        async with self.session() as session:
            session.add_all(rows)

    async def again(self, kind: type[Any], id: int) -> Any:
        """The row as it is now."""
        async with self.session() as session:
            return await session.get(kind, id)


class _Awaited:
    """A session as those of the product's own engine are used."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.add = session.add
        self.add_all = session.add_all

    async def exec(self, statement: Any) -> Any:
        return self._session.exec(statement)

    async def get(self, kind: type[Any], id: Any, **options: Any) -> Any:
        return self._session.get(kind, id, **options)

    async def connection(self) -> _Awaited:
        return self

    async def execute(self, statement: Any, values: Any = None) -> Any:
        return self._session.connection().execute(statement, values)
