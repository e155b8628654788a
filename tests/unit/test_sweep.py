"""A request that was lost on its way is taken up by the sweep, unless it would come too late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.contracts.base import DeploymentKind, DeploymentStatus
from activities.records import Records
from ops.db.tables import (
    AccountDeletion,
    App,
    Deployment,
    NodeRow,
    OwedCheckoutRow,
    Workspace,
    now,
)
from ops.error_codes import ErrorCode
from ops.settings import Settings
from tests.support.memory import RecordsInMemory
from workers.sweep import Sweep
from workflows import commands, workspace_commands
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


class RefusesTheFirst:
    """Temporal, where nothing runs, and what concerns the first of each kind cannot be asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        for place, name in (
            *((commands, name) for name in ("submit", "delete_app", "import_app", "delete_user")),
            *((workspace_commands, name) for name in ("resume", "leave_app")),
        ):
            monkeypatch.setattr(place, name, self._asking(name))
        monkeypatch.setattr(commands, "queue", self._queue)
        monkeypatch.setattr(Sweep, "_state", self._state)

    def _asking(self, name: str) -> Any:
        async def ask(client: Client, what: Any, *more: int) -> None:
            number = int(getattr(what, "app_id", what))
            self.asked.append(f"{name} {more[-1] if name == 'leave_app' else number}")
            if number % 10 == 1:
                raise RPCError("workflow task is failing", RPCStatusCode.INVALID_ARGUMENT, b"")

        return ask

    async def _queue(self, client: Client, app_id: int) -> DeployQueue:
        return DeployQueue(running=None, waiting=[])

    async def _state(self, workflow_id: str) -> WorkflowExecutionStatus | None:
        return None


async def test_what_cannot_be_asked_for_keeps_nothing_else_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    temporal = RefusesTheFirst(monkeypatch)
    long_ago = now() - timedelta(hours=1)
    records = RecordsInMemory()

    def app(id: int, **given: Any) -> App:
        base: dict[str, Any] = {
            "user_id": 5,
            "name": "shop",
            "slug": f"shop-{id}",
            "created_at": long_ago,
        }
        return App(id=id, **base, **given)

    await records.add(
        NodeRow(node_id="workspace-87", role="workspace", status="UP"),
        *(row(id, app_id=id) for id in (1, 2)),
        *(app(id, deleting=True) for id in (11, 12)),
        *(app(id, import_state="PENDING") for id in (21, 22)),
        *(AccountDeletion(user_id=id, receipt_hash=str(id)) for id in (31, 32)),
        *(
            Workspace(
                user_id=id,
                node_id="workspace-87",
                slot=id,
                status="OPEN",
                created_at=long_ago,
                changed_at=long_ago,
            )
            for id in (41, 42)
        ),
        *(OwedCheckoutRow(user_id=id, app_id=id + 10, created_at=long_ago) for id in (41, 42)),
    )
    await Sweep(cast(Client, None), records, Records(records, Settings())).once()
    assert temporal.asked == [
        *("submit 1", "submit 2", "delete_app 11", "delete_app 12"),
        *("import_app 21", "import_app 22", "delete_user 31", "delete_user 32"),
        *("resume 41", "resume 42", "leave_app 51", "leave_app 52"),
    ]
