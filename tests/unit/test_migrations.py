"""The migrations and the tables say the same, statement by statement, in MariaDB's own dialect."""

from __future__ import annotations

import io
import re

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import SQLModel

import ops.db.tables as _tables  # noqa: F401  # the import registers the tables
from ops.db.migrate import config


def normal(statement: str) -> str:
    return re.sub(r"\s+", " ", statement).strip().rstrip(";")


def migrated() -> set[str]:
    made = config()
    made.output_buffer = io.StringIO()
    command.upgrade(made, "head", sql=True)
    statements = re.findall(r"CREATE [^;]+;", made.output_buffer.getvalue())
    return {normal(text) for text in statements if "alembic_version" not in text}


def declared() -> set[str]:
    dialect = mysql.dialect()
    found: set[str] = set()
    for table in SQLModel.metadata.sorted_tables:
        found.add(normal(str(CreateTable(table).compile(dialect=dialect))))
        for index in table.indexes:
            found.add(normal(str(CreateIndex(index).compile(dialect=dialect))))
    return found


def test_first_migration_makes_the_declared_tables() -> None:
    assert migrated() == declared()


def test_there_is_one_newest_migration() -> None:
    assert len(ScriptDirectory.from_config(config()).get_heads()) == 1
