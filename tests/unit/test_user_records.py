"""What a deletion of a user starts from: the record that asks for it, whatever is left of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from temporalio.exceptions import ApplicationError

from activities.contracts.users import UserRef, UserThings
from activities.user_records import UserRecords
from ops.db.session import Database
from ops.db.tables import AccountDeletion, Workspace
from ops.settings import Settings

USER = 5


class Rows:
    """A database that holds these apps of the one user, and these rows by the user's number."""

    def __init__(self, apps: list[int], *rows: Any) -> None:
        self._apps = apps
        self._rows = {(type(row), row.user_id): row for row in rows}

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Rows]:
        yield self

    async def exec(self, query: object) -> list[int]:
        return self._apps

    async def get(self, kind: type, key: int) -> Any:
        return self._rows.get((kind, key))


async def loaded(rows: Rows) -> UserThings:
    return await UserRecords(cast(Database, rows), Settings()).load_user(UserRef(user_id=USER))


def asked(**values: Any) -> AccountDeletion:
    return AccountDeletion(user_id=USER, receipt_hash="x", **values)


async def test_a_deletion_that_nobody_asked_for_is_refused() -> None:
    """Else whoever can start a workflow could delete anybody."""
    with pytest.raises(ApplicationError) as refused:
        await loaded(Rows([7], Workspace(user_id=USER, node_id="workspace-87")))
    assert (refused.value.type, refused.value.non_retryable) == ("Conflict", True)


async def test_a_deletion_that_was_asked_for_finds_everything() -> None:
    things = await loaded(Rows([8, 7], Workspace(user_id=USER, node_id="workspace-87"), asked()))
    assert things == UserThings(user_id=USER, apps=[7, 8], workspace_node="workspace-87")


async def test_a_deletion_is_taken_up_again_when_nothing_is_left() -> None:
    gone = ["repository u5-app7", "records of user 5"]
    assert await loaded(Rows([], asked(gone=gone))) == UserThings(user_id=USER, gone=gone)
