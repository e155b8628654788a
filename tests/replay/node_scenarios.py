"""Each way in which a host can go and come back, told to the small world of its tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from temporalio.client import Client

from activities.contracts.base import DeploymentRef
from activities.contracts.nodes import Reconciliation, Repair
from activities.contracts.runtime import PruneLocalInput, RemoveInput
from tests.workflows.node_world import NODE, Host, a_boot, takes_work, watched
from tests.workflows.test_deploy import eventually
from tests.workflows.test_node_heartbeat import BAD, bad_and_good
from workers.lifecycle import say_hello
from workflows import commands, ids
from workflows.messages import DrainOrder

Scenario = Callable[[Client, Host], Awaitable[None]]


async def is_said(client: Client, host: Host, *statuses: str) -> None:
    """A worker of the host has started, and what is recorded since ends in ``statuses``."""
    await say_hello(client, a_boot(), takes_work)
    await eventually(lambda: host.statuses()[-len(statuses) :] == list(statuses))


async def looked_at(client: Client) -> None:
    """Until it is compared with the records, and watched."""
    await watched(client.get_workflow_handle(ids.node_workflow(NODE)))


async def node_down_and_up(client: Client, host: Host) -> None:
    host.todo = Reconciliation(
        remove_containers=[RemoveInput(app_id=1, container="app-1-9")],
        remove_routes=[4],
        remove_workspaces=[7],
        remove_images=[PruneLocalInput(app_id=5, repository="u1-app5", keep=[])],
        remove_checkouts=[DeploymentRef(deployment_id=9, app_id=1)],
        repairs=[Repair(app_id=2, why="its container is missing")],
    )
    await is_said(client, host, "UP")
    await looked_at(client)
    host.dead = True
    await eventually(lambda: host.statuses()[-2:] == ["DOWN", "DOWN"])
    host.dead = False
    await is_said(client, host, "UP")
    await looked_at(client)


async def node_put_right_in_part(client: Client, host: Host) -> None:
    """Of each kind one thing cannot be done, and the others are."""
    host.fails = set(BAD)
    host.todo = bad_and_good()
    await is_said(client, host, "UP")
    await looked_at(client)


async def node_stopped(client: Client, host: Host) -> None:
    await is_said(client, host, "UP")
    await looked_at(client)
    host.shutting_down = True
    await eventually(lambda: host.statuses()[-1] == "DOWN")
    host.shutting_down = False
    await is_said(client, host, "DOWN", "UP")
    await looked_at(client)


async def node_drained(client: Client, host: Host) -> None:
    await is_said(client, host, "UP")
    await looked_at(client)
    for draining in (True, False):
        before = len(host.records)
        await commands.drain(client, NODE, DrainOrder(draining=draining))
        await eventually(lambda before=before: len(host.records) > before)  # type: ignore[misc]
        await looked_at(client)


async def node_continued(client: Client, host: Host) -> None:
    """Its server suggests a new history early; the node drains in the new one too."""
    handle = client.get_workflow_handle(ids.node_workflow(NODE))
    await is_said(client, host, "UP")
    await commands.drain(client, NODE, DrainOrder(draining=True))
    first = (await handle.describe()).run_id
    async with asyncio.timeout(30):
        while (await handle.describe()).run_id == first:
            before = len(host.records)
            await say_hello(client, a_boot(), takes_work)
            await eventually(lambda before=before: len(host.records) > before)  # type: ignore[misc]
    await looked_at(client)
    assert await handle.query("status") == "DRAINING"


NODE_SCENARIOS: tuple[Scenario, ...] = (
    node_down_and_up,
    node_put_right_in_part,
    node_stopped,
    node_drained,
    node_continued,
)
HASTY = frozenset({node_continued.__name__})
"""Told on a server that suggests a new history after a few events."""
