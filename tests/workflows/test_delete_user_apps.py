"""A user with more apps than control has slots: who waits for an app's end leaves room for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlmodel import col, delete
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError

from activities.contracts.apps import DELETE_APP_RECORDS, AppThings
from activities.contracts.base import Confirmed
from activities.contracts.imports import ImportRef
from ops.db.tables import App
from tests.support.memory import RecordsInMemory
from tests.workflows.test_delete_user import ended
from tests.workflows.user_world import USER, UserWorld
from tests.workflows.world import World
from workers import removals
from workers.control_workflows import WORKFLOWS
from workers.removals import Removals
from workflows import commands

SLOTS = 2
APPS = {7, 8, 9, 10}


@dataclass
class AppsOnRecord(World):
    """Apps that are gone once their records are."""

    records: RecordsInMemory = field(default_factory=RecordsInMemory)
    user: UserWorld = field(kw_only=True)

    @activity.defn(name=DELETE_APP_RECORDS.name)
    async def delete_app_records(self, given: AppThings) -> Confirmed:
        async with self.records.session() as session:
            await session.exec(delete(App).where(col(App.id) == given.app_id))
        self.user.apps.discard(given.app_id)
        return Confirmed(gone=[f"records of app {given.app_id}"])


async def test_more_apps_than_slots_are_deleted(client: Client) -> None:
    user = UserWorld(client, apps=set(APPS))
    world = AppsOnRecord(client, user=user)
    await world.records.add(
        *(App(id=id, user_id=USER, name="shop", slug=f"shop-{id}") for id in APPS)
    )
    beside: list[Callable[..., Any]] = [
        *(user.load_user, user.record_deletion, user.remove_user_workspace),
        *(user.delete_git_user, user.delete_user_records),
        Removals(world.records, client).delete_user_app,
    ]
    async with AsyncExitStack() as stack:
        for worker in world.workers(WORKFLOWS, beside, control_slots=SLOTS):
            await stack.enter_async_context(worker)
        await commands.delete_user(client, USER)
        async with asyncio.timeout(45):
            gone = await ended(user)
    assert {f"records of app {id}" for id in APPS} <= set(gone)
    assert user.nothing_is_left()


async def test_an_import_that_does_not_end_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class NeverEnds:
        status = WorkflowExecutionStatus.RUNNING

        async def describe(self) -> NeverEnds:
            return self

        async def cancel(self) -> None:
            return

        async def result(self) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(removals, "IMPORT_ENDS_SECONDS", 0.05)
    temporal: Any = SimpleNamespace(get_workflow_handle=lambda *_: NeverEnds())
    asked = Removals(RecordsInMemory(), cast(Client, temporal))
    async with asyncio.timeout(5):
        with pytest.raises(ApplicationError) as failure:
            await asked.stop_import(ImportRef(app_id=7, user_id=USER))
    assert failure.value.type == "NodeUnavailable"
    assert not failure.value.non_retryable
