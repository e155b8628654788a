"""Who follows a deployment is told of each change, whatever a look at the records once ended with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.entry import watch
from api.entry.watch import Watcher
from ops.db.tables import Deployment
from tests.support.memory import RecordsInMemory


class FailsOnce(RecordsInMemory):
    """The next session ends with ``failure``, where there is one."""

    failure: Exception | None = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Any]:
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        async with super().session() as session:
            yield session


@pytest.mark.parametrize(
    "failure",
    [
        PoolTimeout("all connections are taken"),
        OperationalError("SELECT", {}, OSError("gone away")),
        ConnectionRefusedError("no database"),
        ValueError("a status of another version"),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_a_look_that_failed_ends_no_stream(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(watch, "AWAY_SECONDS", 0.01)
    records = FailsOnce()
    await records.add(Deployment(id=1, app_id=1, user_id=1, kind="deploy", status="RUNNING"))
    watcher = Watcher(records)
    async with asyncio.timeout(10), watcher.watch(1) as changes:
        assert (await anext(changes))[1] == "RUNNING"
        records.failure = failure
        while records.failure is not None:
            await asyncio.sleep(0.01)
        async with records.session() as session:
            row = await session.get(Deployment, 1)
            assert row is not None
            row.status = "SUCCEEDED"
        assert [status async for _, status in changes] == ["SUCCEEDED"]
    await watcher.close()
