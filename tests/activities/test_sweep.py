"""The sweep between real records and a real Temporal server: whatever was left half done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlmodel import delete, select
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from activities.contracts.nodes import Inventory, Reconciliation
from activities.nodes_control import NodeRecords
from activities.records import Records
from ops.db.session import Database
from ops.db.tables import App, Deployment, now
from ops.settings import Settings
from tests.activities.conftest import Given
from tests.workflows.conftest import temporal_binary
from tests.workflows.world import RUNNER, World
from workers.control_workflows import WORKFLOWS
from workers.sweep import Sweep, sweep_forever
from workflows import commands, ids
from workflows.messages import DeployRequest, OnBusy
from workflows.policies import APP_ID, DEPLOYMENT_ID, NODE_ID, STAGE, USER_ID


@pytest_asyncio.fixture
async def temporal() -> AsyncIterator[Client]:
    async with await WorkflowEnvironment.start_local(
        data_converter=pydantic_data_converter,
        dev_server_existing_path=str(temporal_binary()),
        search_attributes=[APP_ID, USER_ID, DEPLOYMENT_ID, NODE_ID, STAGE],
    ) as environment:
        yield environment.client


@pytest_asyncio.fixture
async def world(temporal: Client) -> AsyncIterator[World]:
    world = World(temporal)
    async with AsyncExitStack() as stack:
        for worker in world.workers(WORKFLOWS):
            await stack.enter_async_context(worker)
        yield world
        world.hangs.clear()


@pytest_asyncio.fixture
async def sweep(temporal: Client, database: Database, records: Records) -> Sweep:
    async with database.session() as session:
        await session.exec(delete(Deployment))
        await session.exec(delete(App))
    return Sweep(temporal, database, records)


async def old(given: Given, app: App, **values: Any) -> Deployment:
    return await given.deployment(app, created_at=now() - timedelta(minutes=1), **values)


async def state(client: Client, workflow_id: str) -> WorkflowExecutionStatus | None:
    return (await client.get_workflow_handle(workflow_id).describe()).status


async def is_known(client: Client, workflow_id: str) -> bool:
    """Its lock has accepted it before; it begins a moment later."""
    try:
        return await state(client, workflow_id) is not None
    except RPCError:
        return False


async def rows_of(given: Given, app: App) -> list[Deployment]:
    query = select(Deployment).where(Deployment.app_id == app.id)
    async with given.database.session() as session:
        return list((await session.exec(query)).all())


async def test_what_nobody_heard_of_is_asked_for(world: World, sweep: Sweep, given: Given) -> None:
    row = await old(given, await given.app())
    young = await given.deployment(await given.app())
    for _ in range(2):
        await sweep.once()
    handle = world.client.get_workflow_handle(ids.deployment_workflow(row.id or 0))
    await handle.result()
    assert world.status(row.id or 0) == "SUCCEEDED"
    assert young.id not in world.progress


async def test_what_was_lost_does_not_overtake_what_was_asked_for_since(
    world: World, sweep: Sweep, given: Given
) -> None:
    app, other = await given.app(), await given.app()
    lost = await old(given, app, kind="rollback")
    later = await old(given, app, status="SUCCEEDED")
    before = await old(given, other)
    await old(given, other, kind="repair", status="SUCCEEDED")
    for _ in range(2):
        await sweep.once()
    ended: Deployment = await given.again(lost)
    assert ended.status == "CANCELLED"
    assert ended.error is not None
    assert (ended.error["code"], ended.error["values"]) == ("displaced", {"id": later.id})
    await world.client.get_workflow_handle(ids.deployment_workflow(before.id or 0)).result()
    assert lost.id not in world.progress


async def test_what_runs_or_waits_is_left_alone(world: World, sweep: Sweep, given: Given) -> None:
    world.hangs.add("build")
    app = await given.app()
    rows = [await old(given, app), await old(given, app)]
    for row in rows:
        await commands.submit(
            world.client,
            DeployRequest(
                deployment_id=row.id or 0, app_id=app.id or 0, user_id=1, on_busy=OnBusy.QUEUE
            ),
        )
    await sweep.once()
    queue = await commands.queue(world.client, app.id or 0)
    assert (queue.running, queue.waiting) == (rows[0].id, [rows[1].id])


async def test_what_an_operator_terminated_is_ended_and_repaired(
    world: World, settings: Settings, sweep: Sweep, given: Given
) -> None:
    world.hangs.add("build")
    app = await given.app()
    row = await old(given, app)
    await sweep.once()
    child = ids.deployment_workflow(row.id or 0)
    async with asyncio.timeout(20):
        while "build" not in world.calls:
            await asyncio.sleep(0.02)
    runner = NodeRecords(given.database, settings)
    has = Inventory(node_id=RUNNER, checkouts=sorted(world.checkouts))
    assert has.checkouts == [row.id]
    assert await runner.reconcile(has) == Reconciliation(look_again=True)
    await world.client.get_workflow_handle(ids.deploy_workflow(app.id or 0)).terminate("by hand")
    async with asyncio.timeout(20):
        while await state(world.client, child) is WorkflowExecutionStatus.RUNNING:
            await asyncio.sleep(0.05)
    for _ in range(2):
        await sweep.once()
    found = {found.kind: found for found in await rows_of(given, app)}
    assert found["deploy"].status == "FAILED"
    assert found["deploy"].error is not None
    assert "an operator ended this deployment by force" in found["deploy"].error["what"]
    repair = ids.deployment_workflow(found["repair"].id or 0)
    async with asyncio.timeout(20):
        while not await is_known(world.client, repair):
            await asyncio.sleep(0.05)
    assert len(await rows_of(given, app)) == 2
    # What it had on its runner is of no deployment under way any more, and nobody holds its slot.
    (checkout,) = (await runner.reconcile(has)).remove_checkouts
    assert checkout.deployment_id == row.id
    async with asyncio.timeout(20):
        while row.id in world.slots:
            await asyncio.sleep(0.05)


async def test_a_deletion_is_taken_up_again(world: World, sweep: Sweep, given: Given) -> None:
    app = await given.app(deleting=True)
    await sweep.once()
    await world.client.get_workflow_handle(ids.deploy_workflow(app.id or 0)).result()
    assert "delete_app_records" in world.calls


class RecordsAway:
    """A database that cannot be reached, until it can."""

    def __init__(self, database: Database, times: int) -> None:
        self._database = database
        self.times = times

    def session(self) -> Any:
        if self.times > 0:
            self.times -= 1
            raise ConnectionRefusedError("no database")
        return self._database.session()


async def test_it_survives_servers_that_are_away(
    world: World, settings: Settings, database: Database, given: Given, sweep: Sweep
) -> None:
    row = await old(given, await given.app())
    away = RecordsAway(database, times=3)
    often = settings.model_copy(update={"sweep_seconds": 0.05})
    sweeping = asyncio.create_task(sweep_forever(world.client, away, often))  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        while row.id not in world.progress:
            await asyncio.sleep(0.05)
    sweeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sweeping
    assert away.times == 0
