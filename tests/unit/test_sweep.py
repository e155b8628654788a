"""A request that was lost on its way is taken up by the sweep, unless it would come too late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio.client import Client

from activities.contracts.base import DeploymentKind, DeploymentStatus
from activities.records import Records
from ops.db.tables import Deployment, now
from ops.error_codes import ErrorCode
from ops.settings import Settings
from tests.support.memory import RecordsInMemory
from workers.sweep import Sweep
from workflows import commands
from workflows.messages import DeployQueue, DeployRequest

SHOP = 3


class NobodyHeard:
    """Temporal, where no workflow of any deployment is known."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[int] = []
        self.queue = DeployQueue(running=None, waiting=[])
        monkeypatch.setattr(commands, "submit", self._submit)
        monkeypatch.setattr(commands, "queue", self._queue)

    async def _submit(self, client: Client, request: DeployRequest) -> None:
        self.asked.append(request.deployment_id)

    async def _queue(self, client: Client, app_id: int) -> DeployQueue:
        return self.queue


@pytest.fixture
def temporal(monkeypatch: pytest.MonkeyPatch) -> NobodyHeard:
    return NobodyHeard(monkeypatch)


def row(id: int, status: str = "PENDING", age: float = 60, **given: Any) -> Deployment:
    base: dict[str, Any] = {"app_id": SHOP, "user_id": 7, "kind": "deploy"}
    created_at = now() - timedelta(seconds=age)
    return Deployment(id=id, status=status, created_at=created_at, **base | given)


async def swept(*rows: Deployment) -> RecordsInMemory:
    """Twice: what was put right is left alone."""
    records = RecordsInMemory()
    await records.add(*rows)
    sweep = Sweep(cast(Client, None), records, Records(records, Settings()))
    for _ in range(2):
        for open_row in await sweep._open_rows():
            await sweep._ask_again(open_row)
    return records


@pytest.mark.parametrize("status", [*DeploymentStatus])
async def test_it_does_not_overtake_what_was_asked_for_since(
    temporal: NobodyHeard, status: DeploymentStatus
) -> None:
    temporal.queue = DeployQueue(running=8, waiting=[])
    records = await swept(row(7, kind="rollback"), row(8, status))
    assert temporal.asked == []
    lost = await records.again(Deployment, 7)
    assert lost.status == "CANCELLED"
    assert lost.ended_at is not None
    assert lost.error["code"] == ErrorCode.DISPLACED
    assert lost.error["what"] == "a newer deployment (8) took its place"
    assert lost.error["values"] == {"id": 8}
    assert (await records.again(Deployment, 8)).status == status


async def test_of_several_that_were_lost_the_newest_is_asked_for(temporal: NobodyHeard) -> None:
    records = await swept(row(7), row(8), row(9))
    assert temporal.asked == [9, 9]
    for id in (7, 8):
        lost = await records.again(Deployment, id)
        assert (lost.status, lost.error["values"]) == ("CANCELLED", {"id": 9})


@pytest.mark.parametrize(
    "other",
    [
        {"id": 6, "status": "SUCCEEDED"},
        {"id": 8, "status": "SUCCEEDED", "kind": DeploymentKind.REPAIR},
        {"id": 8, "status": "SUCCEEDED", "app_id": SHOP + 1},
        {"id": 8, "age": 0},  # it may be refused yet, and is no more then
    ],
    ids=["an older one", "a repair", "another app's", "one just being asked for"],
)
async def test_nothing_else_keeps_it(temporal: NobodyHeard, other: dict[str, Any]) -> None:
    records = await swept(row(7), row(**other))
    assert temporal.asked == [7, 7]
    assert (await records.again(Deployment, 7)).status == "PENDING"


async def test_a_repair_gives_way_to_nothing(temporal: NobodyHeard) -> None:
    await swept(row(7, kind=DeploymentKind.REPAIR), row(8, "SUCCEEDED"))
    assert temporal.asked == [7, 7]


async def test_what_had_begun_is_begun_again_before_what_waits_for_it(
    temporal: NobodyHeard,
) -> None:
    """Temporal has lost both."""
    await swept(row(7, "RUNNING", version=4), row(8))
    assert temporal.asked == [7, 8] * 2


async def test_what_runs_is_left_alone_whatever_came_since(temporal: NobodyHeard) -> None:
    temporal.queue = DeployQueue(running=7, waiting=[8])
    records = await swept(row(7), row(8))
    assert temporal.asked == []
    assert (await records.again(Deployment, 7)).status == "PENDING"
