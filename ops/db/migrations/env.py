"""What Alembic runs: on the connection that ``ops/db/migrate.py`` hands over, else to print SQL."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection
from sqlmodel import SQLModel

import ops.db.tables as _tables  # noqa: F401  # the import registers the tables


def run() -> None:
    connection: Connection | None = context.config.attributes.get("connection")
    if connection is None:
        context.configure(dialect_name="mysql", target_metadata=SQLModel.metadata)
    else:
        context.configure(connection=connection, target_metadata=SQLModel.metadata)
    with context.begin_transaction():
        context.run_migrations()


run()
