"""Brings the records' schema to the newest migration. Safe to repeat, and to run twice at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, Table, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import DropTable

from ops.db.session import database_url
from ops.errors import PlatformError
from ops.settings import Settings

VERSIONS = "alembic_version"
LOCK = "fun-ai-studio-migrations"
LOCK_SECONDS = 60


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, made in memory: the connection's password is in no file."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    made.attributes["connection"] = connection
    return made


def upgrade(settings: Settings) -> None:
    """Upgrade to the newest migration. Call it where no event loop runs."""
    asyncio.run(_upgrade(settings))


def _clear_unfinished(connection: Connection) -> None:
    """Drops the tables of a first migration that was killed: no version is written down, so it
    never ended and they hold nothing. (What later migrations do has to be repeatable.)"""
    tables = inspect(connection).get_table_names()
    if VERSIONS in tables and connection.scalar(text(f"SELECT count(*) FROM {VERSIONS}")):  # noqa: S608
        return
    connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
    for table in tables:
        connection.execute(DropTable(Table(table, MetaData())))
    connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))
    connection.commit()


async def _upgrade(settings: Settings) -> None:
    engine = create_async_engine(database_url(settings), poolclass=NullPool)
    try:
        async with engine.connect() as guard, engine.connect() as connection:
            # MariaDB's DDL is not transactional: two runs at once would meet half-made tables.
            # The lock belongs to a connection of its own, which no migration commits or closes.
            got = await guard.scalar(
                text("SELECT GET_LOCK(:name, :seconds)"), {"name": LOCK, "seconds": LOCK_SECONDS}
            )
            if got != 1:
                raise PlatformError(
                    "another migration of the database has been running for a minute",
                    hint="wait for it to end, then repeat",
                )
            await connection.run_sync(_clear_unfinished)
            await connection.run_sync(lambda sync: command.upgrade(config(sync), "head"))
            await connection.commit()
    finally:
        await engine.dispose()
