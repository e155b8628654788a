"""Where workspaces are placed: at the same time, and each for life."""

from __future__ import annotations

import asyncio

import pytest
from sqlmodel import delete, select

from activities.contracts.workspace import PlaceWorkspaceInput
from activities.workspace_records import WorkspaceRecords
from ops.crypto import Vault
from ops.db.session import Database
from ops.db.tables import NodeRow, Workspace
from ops.settings import Settings
from tests.activities.conftest import Given

NODE = "workspace-87"
BEGIN_SECONDS = 0.5
"""In this time each that was begun waits for the lock."""


@pytest.fixture
def workspaces(database: Database, settings: Settings, vault: Vault) -> WorkspaceRecords:
    return WorkspaceRecords(database, settings, vault)


async def user(given: Given, database: Database, *, known: bool = False) -> int:
    """``known``: the record is there, as of who only chose a database for it."""
    made = (await given.app()).user_id
    if known:
        async with database.session() as session:
            session.add(Workspace(user_id=made))
    return made


async def placed_at_once(
    database: Database, workspaces: WorkspaceRecords, *users: int
) -> list[tuple[str, int]]:
    """All have looked at what there is before the first is placed."""
    async with database.session() as session:
        await session.exec(delete(Workspace).where(Workspace.node_id == NODE))  # type: ignore[arg-type]
        await session.merge(
            NodeRow(node_id=NODE, role="workspace", status="UP", figures={"disk_free": 2**40})
        )
    async with database.session() as session:
        await session.exec(select(NodeRow).where(NodeRow.node_id == NODE).with_for_update())
        asked = [
            asyncio.ensure_future(workspaces.place_workspace(PlaceWorkspaceInput(user_id=one)))
            for one in users
        ]
        await asyncio.sleep(BEGIN_SECONDS)
    return [(placement.node_id, placement.slot) for placement in await asyncio.gather(*asked)]


async def test_two_users_at_once_get_two_slots(
    given: Given, database: Database, workspaces: WorkspaceRecords
) -> None:
    users = [await user(given, database) for _ in range(2)]
    placed = await placed_at_once(database, workspaces, *users)
    assert sorted(placed) == [(NODE, 0), (NODE, 1)]


@pytest.mark.parametrize("known", [False, True])
async def test_an_opening_and_an_import_of_one_user_at_once_get_one_slot(
    given: Given, database: Database, workspaces: WorkspaceRecords, *, known: bool
) -> None:
    """Each goes on with the answer it had: the container of one would be where nobody looks."""
    one = await user(given, database, known=known)
    assert await placed_at_once(database, workspaces, one, one) == [(NODE, 0), (NODE, 0)]
