"""``node-{nodeId}``: UP, DOWN and back, against a real Temporal server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.service import RPCError

from activities.contracts.base import DeploymentRef
from activities.contracts.nodes import Reconciliation, Repair
from activities.contracts.runtime import PruneLocalInput, RemoveInput
from ops.errors import PlatformError
from tests.workflows.node_world import NODE, Host, a_boot, drains, takes_work, watched
from tests.workflows.test_deploy import eventually
from workers import lifecycle
from workers.lifecycle import say_hello, stay_known
from workflows import commands, ids, policies
from workflows.messages import DrainOrder


@pytest_asyncio.fixture
async def host(client: Client) -> AsyncIterator[Host]:
    host = Host()
    async with host.workers(client):
        yield host


async def test_hello_brings_a_node_up_and_reconciles_it(client: Client, host: Host) -> None:
    host.todo = Reconciliation(
        remove_containers=[RemoveInput(app_id=1, container="app-1-9")],
        remove_routes=[4],
        remove_workspaces=[7],
        repairs=[Repair(app_id=2, why="its container is missing")],
    )
    await say_hello(client, a_boot(), takes_work)
    await eventually(lambda: host.removed == ["route 4", "app-1-9", "workspace 7"])
    assert host.repairs == [2]
    assert host.statuses() == ["UP"]


def bad_and_good() -> Reconciliation:
    """Of each kind something that can be done, after something that is in ``BAD``."""
    return Reconciliation(
        remove_containers=[
            RemoveInput(app_id=1, container="app-1-9"),
            RemoveInput(app_id=3, container="app-3-4"),
        ],
        remove_routes=[4, 5],
        remove_images=[
            PruneLocalInput(app_id=id, repository=f"u1-app{id}", keep=[]) for id in (6, 7)
        ],
        remove_checkouts=[DeploymentRef(deployment_id=id, app_id=1) for id in (8, 9)],
        repairs=[Repair(app_id=id, why="its container is missing") for id in (10, 11)],
    )


BAD = {"app-1-9", "route 4", "images of u1-app6", "checkout 8", "repair 10"}


async def test_what_cannot_be_done_keeps_nothing_else_from_it_nor_the_node_from_its_watch(
    client: Client, host: Host
) -> None:
    host.fails = set(BAD)
    host.todo = bad_and_good()
    await say_hello(client, a_boot(), takes_work)
    await eventually(lambda: bool(host.removed))
    assert host.repairs == [11]  # first, since somebody may ask for that app
    await watched(client.get_workflow_handle(ids.node_workflow(NODE)))
    assert host.removed[:2] == ["route 5", "app-3-4"]
    assert set(host.removed[2:]) == {"images of u1-app7", "checkout 9"}


async def test_what_could_not_be_done_is_tried_again(
    client: Client, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "TRY_AGAIN", timedelta(seconds=1))
    host.fails = {"app-1-9"}
    leftover = Reconciliation(remove_containers=[RemoveInput(app_id=1, container="app-1-9")])
    host.todo = leftover
    await say_hello(client, a_boot(), takes_work)
    await watched(client.get_workflow_handle(ids.node_workflow(NODE)))
    host.fails.clear()
    host.todo = leftover
    await eventually(lambda: host.removed == ["app-1-9"])
    assert set(host.statuses()) == {"UP"}


async def test_a_silent_node_is_down_within_20_seconds_and_up_on_hello(
    client: Client, host: Host
) -> None:
    await say_hello(client, a_boot(), takes_work)
    await eventually(lambda: host.statuses() == ["UP"])
    host.dead = True
    await eventually(lambda: host.statuses()[-1] == "DOWN", seconds=20)
    host.dead = False
    await say_hello(client, a_boot(), takes_work)
    await eventually(lambda: host.statuses()[-1] == "UP", seconds=5)


async def test_a_worker_that_is_back_at_once_is_never_down(client: Client, host: Host) -> None:
    await say_hello(client, a_boot(), takes_work)
    await eventually(lambda: host.statuses() == ["UP"])
    await say_hello(client, a_boot(), takes_work)
    await eventually(lambda: host.statuses() == ["UP", "UP"])


async def test_a_graceful_stop_is_down_at_once(client: Client, host: Host) -> None:
    await say_hello(client, a_boot(), takes_work)
    await eventually(lambda: host.statuses() == ["UP"])
    host.shutting_down = True
    host.dead = True
    await eventually(lambda: host.statuses()[-1] == "DOWN", seconds=3)


async def says(client: Client, status: str) -> None:
    """Until ``node-{nodeId}`` is there and answers ``status``."""
    handle = client.get_workflow_handle(ids.node_workflow(NODE))
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(RPCError):
                if await handle.query("status") == status:
                    return
            await asyncio.sleep(0.05)


async def test_a_node_that_drains_says_so_until_it_takes_work_again(
    client: Client, host: Host
) -> None:
    await say_hello(client, a_boot(), takes_work)
    await eventually(lambda: host.statuses() == ["UP"])
    await commands.drain(client, NODE, DrainOrder(draining=True))
    # The watch came back for it: the node was probed and recorded once more, and never DOWN.
    await eventually(lambda: host.statuses() == ["UP", "UP"])
    await says(client, "DRAINING")
    await say_hello(client, a_boot(), takes_work)
    await eventually(lambda: host.statuses() == ["UP"] * 3)
    await says(client, "DRAINING")
    await commands.drain(client, NODE, DrainOrder(draining=False))
    await says(client, "UP")
    await commands.drain(client, "never-seen", DrainOrder(draining=True))


async def test_a_node_that_drains_is_begun_again_as_one_that_drains(
    client: Client, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after an operator has terminated it, and only once control can say how it is."""
    monkeypatch.setattr(lifecycle, "KNOWN_SECONDS", 0.05)
    handle = client.get_workflow_handle(ids.node_workflow(NODE))
    asked = 0

    async def away_and_back() -> bool:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise PlatformError("the deploy control does not answer")
        return await drains()

    await say_hello(client, a_boot(), drains)
    await says(client, "DRAINING")
    await handle.terminate("operator")
    known = asyncio.create_task(stay_known(client, a_boot(), away_and_back))
    try:
        await eventually(lambda: asked >= 4)
        await says(client, "DRAINING")
    finally:
        known.cancel()
    assert host.statuses()[-1] == "UP"


async def test_a_hello_while_control_is_away_reaches_what_runs_and_begins_nothing(
    client: Client, host: Host
) -> None:
    async def away() -> bool:
        raise PlatformError("the deploy control does not answer")

    handle = client.get_workflow_handle(ids.node_workflow(NODE))
    await say_hello(client, a_boot(), away)
    with pytest.raises(RPCError):
        await handle.describe()
    await say_hello(client, a_boot(), takes_work)
    await eventually(lambda: host.statuses() == ["UP"])
    await say_hello(client, a_boot(), away)
    await eventually(lambda: host.statuses() == ["UP", "UP"])
