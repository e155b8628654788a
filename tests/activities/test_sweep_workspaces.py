"""The sweep of workspaces and of users who are being deleted, on real records and a real Temporal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest_asyncio
from sqlmodel import delete
from temporalio.client import WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from activities.contracts.workspace import WorkspaceRecord, WorkspaceStatus
from activities.records import Records
from ops.db.session import Database
from ops.db.tables import (
    AccountDeletion,
    App,
    Deployment,
    NodeRow,
    OwedCheckoutRow,
    User,
    Workspace,
    now,
)
from tests.workflows.conftest import temporal_binary
from tests.workflows.workspace_world import NODE, USER, WorkspaceWorld
from workers.control_workflows import WORKFLOWS
from workers.sweep import Sweep
from workflows import ids, workspace_commands
from workflows.policies import APP_ID, DEPLOYMENT_ID, NODE_ID, STAGE, USER_ID

LONG_AGO = timedelta(minutes=10)


@pytest_asyncio.fixture
async def world() -> AsyncIterator[WorkspaceWorld]:
    async with await WorkflowEnvironment.start_local(
        data_converter=pydantic_data_converter,
        dev_server_existing_path=str(temporal_binary()),
        search_attributes=[APP_ID, USER_ID, DEPLOYMENT_ID, NODE_ID, STAGE],
    ) as environment:
        world = WorkspaceWorld(environment.client)
        async with world.control(WORKFLOWS):
            await world.node_starts()
            yield world
            await world.node_stops()


@pytest_asyncio.fixture
async def sweep(world: WorkspaceWorld, database: Database, records: Records) -> Sweep:
    async with database.session() as session:
        for table in (AccountDeletion, Deployment, App, Workspace, NodeRow):
            await session.exec(delete(table))
        await session.exec(delete(User).where(User.id == USER))  # type: ignore[arg-type]
        await session.flush()
        session.add(User(id=USER, email="sweep@example.com", password_hash="x"))
        session.add(NodeRow(node_id=NODE, role="workspace", status="UP"))
    return Sweep(world.client, database, records)


async def put(database: Database, *rows: Any) -> None:
    async with database.session() as session:
        for row in rows:
            await session.merge(row)


def recorded(status: WorkspaceStatus) -> Workspace:
    return Workspace(user_id=USER, node_id=NODE, slot=0, status=status, changed_at=now() - LONG_AGO)


async def test_an_open_workspace_without_a_workflow_is_taken_up(
    world: WorkspaceWorld, sweep: Sweep, database: Database
) -> None:
    world.record = WorkspaceRecord(user_id=USER, status=WorkspaceStatus.OPEN)
    await put(
        database,
        recorded(WorkspaceStatus.OPEN),
        NodeRow(node_id=NODE, role="workspace", status="DOWN"),
    )
    await sweep.once()
    assert world.calls == []
    await put(database, NodeRow(node_id=NODE, role="workspace", status="UP"))
    for _ in range(2):
        await sweep.once()
    assert (world.containers, world.calls.count("ensure_workspace")) == (1, 1)

    # And one that was ended while it closed is closed.
    handle = world.client.get_workflow_handle(ids.workspace_workflow(USER))
    await handle.terminate("operator")
    world.record = world.record.model_copy(update={"status": WorkspaceStatus.STOPPING})
    await put(database, recorded(WorkspaceStatus.STOPPING))
    await sweep.once()
    assert world.record.status is WorkspaceStatus.STOPPED


async def test_what_an_open_workspace_owes_is_asked_of_it(
    world: WorkspaceWorld, sweep: Sweep, database: Database
) -> None:
    for app_id in (7, 8):
        await workspace_commands.open_app(world.client, USER, app_id)
    world.owed = {7}
    await put(database, recorded(WorkspaceStatus.OPEN))
    await put(database, OwedCheckoutRow(user_id=USER, app_id=7))
    await sweep.once()
    assert world.checkouts == {7, 8}
    await put(database, OwedCheckoutRow(user_id=USER, app_id=7, created_at=now() - LONG_AGO))
    await sweep.once()
    assert (world.checkouts, world.owed) == ({8}, set())


async def test_a_user_who_is_being_deleted_is_not_resumed_but_deleted(
    world: WorkspaceWorld, sweep: Sweep, database: Database
) -> None:
    await put(
        database, recorded(WorkspaceStatus.OPEN), AccountDeletion(user_id=USER, receipt_hash="x")
    )
    await sweep.once()
    assert world.calls == []
    workflow_id = ids.delete_user_workflow(USER)
    handle = world.client.get_workflow_handle(workflow_id)
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    await handle.terminate("operator")
    await sweep.once()
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    await handle.terminate("the test ends")
    await put(database, AccountDeletion(user_id=USER, receipt_hash="x", ended_at=now()))
    await sweep.once()
    assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED
