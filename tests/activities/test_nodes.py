"""Nodes in the records: how they are, who is placed there, what they owe."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from sqlmodel import col, delete, select
from temporalio.exceptions import ApplicationError

from activities.contracts.nodes import (
    ContainerSeen,
    Figures,
    Inventory,
    NodeRecord,
    NodeRole,
    NodeStatus,
)
from activities.contracts.records import OwedUndo, PlaceInput
from activities.nodes_control import NodeRecords
from activities.placement import Placements
from activities.records import Records
from ops.db.session import Database
from ops.db.tables import App, NodeRow, OwedUndoRow, now
from ops.settings import Settings
from tests.activities.conftest import Given

NODE = "runtime-102"


def record(node_id: str, status: NodeStatus, *, disk_gb: int | None = 50) -> NodeRecord:
    figures = None if disk_gb is None else Figures(disk_free=disk_gb * 1024**3)
    return NodeRecord(
        node_id=node_id, role=NodeRole.RUNTIME, status=status, boot_id="b", figures=figures
    )


def place(app: App, deployment_id: int = 0) -> PlaceInput:
    assert app.id is not None
    return PlaceInput(deployment_id=deployment_id, app_id=app.id)


@pytest.fixture
async def nodes(database: Database, settings: Settings) -> NodeRecords:
    async with database.session() as session:
        await session.exec(delete(NodeRow))
    return NodeRecords(database, settings)


async def test_draining_is_kept_and_figures_of_a_dead_node_too(
    nodes: NodeRecords, database: Database
) -> None:
    await nodes.record_node(record(NODE, NodeStatus.UP))
    async with database.session() as session:
        row = await session.get(NodeRow, NODE)
        assert row is not None
        row.draining = True
        since = row.changed_at
    await nodes.record_node(record(NODE, NodeStatus.UP))
    async with database.session() as session:
        row = await session.get(NodeRow, NODE)
        assert row is not None
        assert (row.draining, row.changed_at) == (True, since)
    await nodes.record_node(record(NODE, NodeStatus.DOWN, disk_gb=None))
    async with database.session() as session:
        row = await session.get(NodeRow, NODE)
        assert row is not None
        assert row.status == "DOWN"
        assert row.draining
        assert row.figures is not None
        assert row.figures["disk_free"] == 50 * 1024**3
        assert row.changed_at > since


async def test_an_app_is_placed_once_and_waits_for_its_node(
    nodes: NodeRecords, database: Database, settings: Settings, given: Given
) -> None:
    placements = Placements(database, settings)
    app = await given.app()
    row = await given.deployment(app)
    with pytest.raises(ApplicationError) as failure:
        await placements.place(place(app))
    assert failure.value.type == "NodeUnavailable"
    await nodes.record_node(record(NODE, NodeStatus.UP))
    await nodes.record_node(record("unknown-1", NodeStatus.UP))
    assert (await placements.place(place(app, row.id or 0))).node_id == NODE
    assert (await given.again(app)).node_id == NODE
    assert (await given.again(row)).node_id == NODE
    await nodes.record_node(record(NODE, NodeStatus.DOWN))
    with pytest.raises(ApplicationError) as failure:
        await placements.place(place(app))
    assert not failure.value.non_retryable


async def test_a_node_is_compared_with_the_records(
    nodes: NodeRecords, records: Records, given: Given
) -> None:
    app = await given.app(node_id=NODE)
    assert app.id is not None
    release = await given.deployment(
        app, digest="sha256:1", status="SUCCEEDED", ended_at=now() - timedelta(minutes=1)
    )
    async with given.database.session() as session:
        row = await session.get(App, app.id)
        assert row is not None
        row.live_deployment_id = release.id
    await records.record_owed(OwedUndo(deployment_id=4, app_id=app.id, node_id=NODE, what="x"))
    stranger = random.randrange(10**6, 10**9)
    seen = ContainerSeen(name=f"app-{stranger}-1", app_id=stranger, release_id=1, running=True)
    todo = await nodes.reconcile(Inventory(node_id=NODE, containers=[seen]))
    assert [given.container for given in todo.remove_containers] == [seen.name]
    assert [repair.why for repair in todo.repairs if repair.app_id == app.id] == [
        "its container is missing"
    ]
    assert not await _owes_nothing(given, app)
    busy = await given.deployment(app, status="RUNNING")
    todo = await nodes.reconcile(Inventory(node_id=NODE, checkouts=[busy.id or 0, 5 * 10**9]))
    assert [repair for repair in todo.repairs if repair.app_id == app.id] == []
    assert [ref.deployment_id for ref in todo.remove_checkouts] == [5 * 10**9]
    assert await _owes_nothing(given, app)


async def _owes_nothing(given: Given, app: App) -> bool:
    query = select(OwedUndoRow).where(
        OwedUndoRow.app_id == app.id, col(OwedUndoRow.done_at).is_(None)
    )
    async with given.database.session() as session:
        return (await session.exec(query)).first() is None
