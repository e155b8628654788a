"""A database that is over its limit takes nothing more, until what was deleted makes room in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import psycopg
import pytest
from psycopg import sql

from activities import database_sizes
from activities.database_sizes import (
    FREE,
    LEFT_BEHIND,
    MEASURE,
    MEGABYTE,
    DatabaseSize,
    DatabaseSizes,
)
from api.deploy_control import data as routes
from api.deploy_control.auth import Caller
from api.deploy_control.state import State
from ops.appdata import Insert, Replace
from ops.error_codes import ErrorCode
from ops.errors import LimitReached, PlatformError
from ops.settings import Settings

LIMIT = 10 * MEGABYTE


@dataclass
class Schema:
    """``made`` and ``written``: whether tables may be made in it, and rows be put into them."""

    bytes: int
    free: int = 0
    made: bool = True
    written: bool = True
    left_behind: list[str] = field(default_factory=list)


class Server:
    """PostgreSQL as far as sizes and rights go; a statement that begins with ``fails`` fails."""

    def __init__(self, **schemas: Schema) -> None:
        self.schemas = schemas
        self.done: list[str] = []
        self.fails = "nothing"

    @asynccontextmanager
    async def connect(self, settings: Settings, seconds: int) -> AsyncIterator[Server]:
        yield self

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield

    async def execute(self, query: str | sql.Composed, given: tuple[str, ...] = ()) -> Rows:
        if query == MEASURE:
            return Rows(
                [
                    (name, one.bytes, one.made or one.written, one.made and one.written)
                    for name, one in self.schemas.items()
                ]
            )
        if query == FREE:
            if self.fails == FREE:
                raise psycopg.errors.LockNotAvailable("somebody holds a lock on it")
            return Rows([(self.schemas[given[0]].free,)])
        if query == LEFT_BEHIND:
            return Rows([(table,) for table in self.schemas[given[0]].left_behind])
        text = query if isinstance(query, str) else query.as_string(None)
        if text.startswith(self.fails):
            raise psycopg.errors.InternalError("tuple concurrently updated")
        self.done.append(text)
        for name, one in self.schemas.items():
            for right, change in (("REVOKE", False), ("GRANT", True)):
                if text.startswith(f"{right} CREATE ON SCHEMA") and f'"{name}"' in text:
                    one.made = change
                if text.startswith(f"{right} INSERT, UPDATE ON ALL") and f'"{name}"' in text:
                    one.written = change
        return Rows([])

    def changes(self) -> list[str]:
        ours = ("CREATE EXTENSION", "SET LOCAL lock_timeout")
        return [text for text in self.done if not text.startswith(ours)]


class Rows:
    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = rows

    async def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows

    async def fetchone(self) -> tuple[Any, ...]:
        return self._rows[0]


def watching(monkeypatch: pytest.MonkeyPatch, **schemas: Schema) -> tuple[Server, DatabaseSizes]:
    server = Server(**schemas)
    monkeypatch.setattr(database_sizes, "admin_connection", server.connect)
    return server, DatabaseSizes(Settings(database_mb=10))


async def test_who_holds_a_lock_does_not_keep_a_database_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, sizes = watching(monkeypatch, db_7=Schema(LIMIT + 1, free=LIMIT))
    server.fails = FREE
    await sizes.look()
    assert not server.schemas["db_7"].written
    assert sizes.of(7) == DatabaseSize(LIMIT + 1, full=True)


async def test_one_over_its_limit_is_closed_once_and_nobody_else_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, sizes = watching(monkeypatch, db_7=Schema(LIMIT + 1), db_8=Schema(LIMIT))
    assert sizes.of(7) is None
    for _ in range(2):
        await sizes.look()
    assert server.changes() == [
        'REVOKE CREATE ON SCHEMA "db_7" FROM "db_7"',
        'REVOKE INSERT, UPDATE ON ALL TABLES IN SCHEMA "db_7" FROM "db_7"',
        'GRANT INSERT, UPDATE ON "db_7"."_ferretdb_database_metadata" TO "db_7"',
    ]
    assert sizes.of(7) == DatabaseSize(LIMIT + 1, full=True)
    assert sizes.of(8) == DatabaseSize(LIMIT, full=False)


async def test_what_was_dropped_opens_it_also_after_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, sizes = watching(monkeypatch, db_7=Schema(LIMIT, made=False, written=False))
    for _ in range(2):
        await sizes.look()
    assert server.changes() == [
        'GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA "db_7" TO "db_7"',
        'GRANT CREATE ON SCHEMA "db_7" TO "db_7"',
    ]


async def test_what_was_deleted_opens_it_though_its_files_stay_as_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, sizes = watching(monkeypatch, db_7=Schema(LIMIT + 1, left_behind=['odd"name', "notes"]))
    await sizes.look()
    await sizes.vacuum()
    assert server.done[-2:] == [
        'VACUUM (SKIP_LOCKED) "db_7"."odd""name"',
        'VACUUM (SKIP_LOCKED) "db_7"."notes"',
    ]
    server.schemas["db_7"].free = 2
    await sizes.look()
    assert sizes.of(7) == DatabaseSize(LIMIT - 1, full=False)
    assert server.schemas["db_7"].made
    assert server.schemas["db_7"].written


async def test_room_that_is_free_in_others_of_its_collections_is_not_given_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else each new collection could be filled, emptied but for its last document, and left."""
    _, sizes = watching(monkeypatch, db_7=Schema(2 * LIMIT + 1, free=2 * LIMIT))
    await sizes.look()
    assert sizes.of(7) == DatabaseSize(LIMIT + 1, full=True)


async def test_only_what_is_full_is_vacuumed(monkeypatch: pytest.MonkeyPatch) -> None:
    server, sizes = watching(monkeypatch, db_7=Schema(LIMIT, left_behind=["notes"]))
    await sizes.look()
    await sizes.vacuum()
    assert server.done == []


async def test_a_closing_that_broke_off_is_finished_by_the_next_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, sizes = watching(monkeypatch, db_7=Schema(LIMIT + 1), db_8=Schema(LIMIT + 1))
    server.fails = 'REVOKE INSERT, UPDATE ON ALL TABLES IN SCHEMA "db_7"'
    await sizes.look()
    assert not server.schemas["db_7"].made
    assert not server.schemas["db_8"].written
    server.fails = "nothing"
    await sizes.look()
    assert not server.schemas["db_7"].written


async def test_a_look_that_fails_is_not_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Exception] = []
    enough = asyncio.Event()

    async def failing() -> None:
        looks.append(PlatformError("away") if len(looks) % 2 else RuntimeError("odd"))
        if len(looks) == 4:
            enough.set()
        raise looks[-1]

    _, sizes = watching(monkeypatch)
    monkeypatch.setattr(database_sizes, "LOOK_SECONDS", 0)
    monkeypatch.setattr(sizes, "look", failing)
    watch = asyncio.create_task(sizes.watch())
    async with asyncio.timeout(30):
        await enough.wait()
    watch.cancel()


@pytest.mark.parametrize(
    "asked",
    [
        Insert(collection="notes", document={"a": 1}),
        Replace(collection="notes", id="1", document={"a": 1}),
    ],
)
async def test_a_person_who_writes_to_a_full_one_is_told_why(
    monkeypatch: pytest.MonkeyPatch, asked: Insert | Replace
) -> None:
    _, sizes = watching(monkeypatch, db_7=Schema(LIMIT + 1))
    await sizes.look()
    with pytest.raises(LimitReached) as refused:
        await routes.ask(7, asked, cast(Caller, None), cast(State, _State(sizes)))
    assert refused.value.code is ErrorCode.DATABASE_FULL
    assert refused.value.values == {"megabytes": 10}


@dataclass
class _State:
    sizes: DatabaseSizes


class Collections:
    """A database with one collection."""

    async def list_collection_names(self) -> list[str]:
        return ["notes"]

    def __getitem__(self, name: str) -> Collections:
        return self

    async def estimated_document_count(self) -> int:
        return 3


@pytest.mark.parametrize(
    ("size", "full"),
    [(None, "false"), (DatabaseSize(1, full=False), "false"), (DatabaseSize(1, full=True), "true")],
)
async def test_who_looks_at_the_data_sees_whether_it_is_full(
    size: DatabaseSize | None, full: str
) -> None:
    answer = await routes._list(cast(routes.Data, Collections()), size)
    assert f'"full": {full}' in answer
