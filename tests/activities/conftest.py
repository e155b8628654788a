"""Activities against real servers: those of the tests' platform, with records of their own.

The records are in a database beside the platform's, so that its sweep and its nodes see none of
them. Apps get ids that no app of the platform has.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from activities.records import Records
from ops.crypto import Vault
from ops.db.session import Database
from ops.db.tables import App, Deployment, User
from ops.settings import Settings, read_secret
from ops.stack.files import mysql_socket
from tests.support.platform import Platform

NAME = "studio_activities"


@pytest.fixture(scope="session")
def settings(platform: Platform) -> Settings:
    return platform.settings


@pytest.fixture(scope="session")
def vault(settings: Settings) -> Vault:
    return Vault.open(settings)


@pytest_asyncio.fixture(scope="session")
async def database(settings: Settings) -> AsyncIterator[Database]:
    root = URL.create(
        "mysql+asyncmy",
        username="root",
        password=read_secret(settings, "mysql-root").get_secret_value(),
        query={"unix_socket": str(mysql_socket(settings)), "charset": "utf8mb4"},
    )
    # Tests of the doctor stop the server: a connection of before is made anew.
    server = create_async_engine(root, pool_pre_ping=True)
    async with server.connect() as connection:
        await connection.execute(text(f"DROP DATABASE IF EXISTS {NAME}"))
        await connection.execute(text(f"CREATE DATABASE {NAME}"))
    engine = create_async_engine(root.set(database=NAME), isolation_level="READ COMMITTED")
    async with engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
    yield Database(engine)
    await engine.dispose()
    async with server.connect() as connection:
        await connection.execute(text(f"DROP DATABASE {NAME}"))
    await server.dispose()


class Given:
    """Rows that a test starts from."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def app(self, **values: Any) -> App:
        number = random.randrange(10**6, 10**9)
        async with self.database.session() as session:
            user = User(email=f"{number}@example.com", password_hash="x")
            session.add(user)
            await session.flush()
            app = App(
                **{"id": number, "user_id": user.id, "name": "shop", "slug": f"shop-{number}"}
                | values
            )
            session.add(app)
        return app

    async def deployment(self, app: App, **values: Any) -> Deployment:
        async with self.database.session() as session:
            row = Deployment(
                **{"app_id": app.id, "user_id": app.user_id, "kind": "deploy", "port": 3000}
                | values
            )
            if row.digest is not None:
                row.repository = row.repository or f"u{app.user_id}-app{app.id}"
            session.add(row)
        return row

    async def again(self, row: Any) -> Any:
        """The row as it is now."""
        async with self.database.session() as session:
            return await session.get(type(row), row.node_id if hasattr(row, "role") else row.id)


@pytest.fixture
def given(database: Database) -> Given:
    return Given(database)


@pytest.fixture
def records(database: Database, settings: Settings) -> Records:
    return Records(database, settings)
