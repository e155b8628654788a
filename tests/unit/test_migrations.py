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
    """Without what makes a migration repeatable that was killed half-way."""
    return re.sub(r"\s+", " ", statement).strip().rstrip(";").replace("IF NOT EXISTS ", "")


def migrated() -> set[str]:
    made = config()
    made.output_buffer = io.StringIO()
    command.upgrade(made, "head", sql=True)
    written = normal(made.output_buffer.getvalue())
    statements = {
        f"{text} "
        for text in re.findall(r"CREATE [^;]+(?=;)", written)
        if "alembic_version" not in text
    }
    for table, column in re.findall(r"ALTER TABLE (\w+) ADD COLUMN ([^;]+);", written):
        (before,) = [text for text in statements if text.startswith(f"CREATE TABLE {table} (")]
        # A new column comes after the others, and before what is said of the whole table.
        after = before.replace(", PRIMARY KEY", f", {column.strip()}, PRIMARY KEY", 1)
        statements = statements - {before} | {after}
    return {text.strip() for text in statements}


def declared() -> set[str]:
    dialect = mysql.dialect()
    found: set[str] = set()
    for table in SQLModel.metadata.sorted_tables:
        found.add(normal(str(CreateTable(table).compile(dialect=dialect))))
        for index in table.indexes:
            found.add(normal(str(CreateIndex(index).compile(dialect=dialect))))
    return found


def test_the_migrations_make_the_declared_tables() -> None:
    assert migrated() == declared()


def test_there_is_one_newest_migration() -> None:
    assert len(ScriptDirectory.from_config(config()).get_heads()) == 1
