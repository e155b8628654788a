"""Records the histories anew, after a workflow was changed on purpose.

python -m tests.replay.record            all
python -m tests.replay.record NAME…      these scenarios
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from tests.replay.node_scenarios import HASTY, NODE_SCENARIOS
from tests.replay.node_scenarios import Scenario as NodeScenario
from tests.replay.scenarios import SCENARIOS, Scenario
from tests.replay.user_scenarios import USER_SCENARIOS
from tests.replay.user_scenarios import Scenario as UserScenario
from tests.replay.workspace_scenarios import WORKSPACE_SCENARIOS
from tests.replay.workspace_scenarios import Scenario as WorkspaceScenario
from tests.workflows.conftest import temporal_binary
from tests.workflows.node_world import Host
from tests.workflows.test_workspace_long import SUGGEST
from tests.workflows.user_world import UserWorld
from tests.workflows.workspace_world import WorkspaceWorld
from tests.workflows.world import RUNNER, World
from workers.control_workflows import WORKFLOWS
from workflows.policies import APP_ID, DEPLOYMENT_ID, NODE_ID, STAGE, USER_ID

HISTORIES = Path(__file__).parent / "histories"
IMPERSONAL = {"stackTrace": "", "identity": "recorder"}
RUNNERS = (RUNNER, f"{RUNNER}-2")
STICKY_QUEUE = re.compile(r"\d+@\S+")


def impersonal(event: Any) -> Any:
    """A history without the recording machine's paths, processes and name; no replay reads them."""
    if isinstance(event, list):
        return [impersonal(item) for item in event]
    if isinstance(event, dict):
        return {key: IMPERSONAL.get(key, impersonal(value)) for key, value in event.items()}
    # A sticky queue is named by process and host.
    return "worker" if isinstance(event, str) and STICKY_QUEUE.fullmatch(event) else event


async def record(name: str, play: Callable[[Client], Awaitable[None]]) -> None:
    """Play one scenario on a server of its own; write the history of every workflow in it."""
    async with await WorkflowEnvironment.start_local(
        data_converter=pydantic_data_converter,
        dev_server_existing_path=str(temporal_binary()),
        dev_server_extra_args=["--dynamic-config-value", SUGGEST] if name in HASTY else [],
        search_attributes=[APP_ID, USER_ID, DEPLOYMENT_ID, NODE_ID, STAGE],
    ) as environment:
        await play(environment.client)
        for old in HISTORIES.glob(f"{name}.*.json"):
            old.unlink()
        runs = 0
        async for found in environment.client.list_workflows("", page_size=100):
            handle = environment.client.get_workflow_handle(found.id, run_id=found.run_id)
            history = await handle.fetch_history()
            runs += 1
            path = HISTORIES / f"{name}.{found.id}.{runs}.json"
            path.write_text(json.dumps(impersonal(json.loads(history.to_json()))))
    print(name)


async def play_deployment(scenario: Scenario, client: Client) -> None:
    world = World(client, runners=list(RUNNERS))
    async with AsyncExitStack() as stack:
        for worker in world.workers(WORKFLOWS):
            await stack.enter_async_context(worker)
        await scenario(world)


async def play_workspace(scenario: WorkspaceScenario, client: Client) -> None:
    world = WorkspaceWorld(client)
    async with world.control(WORKFLOWS):
        await world.node_starts()
        await scenario(world)
        await world.node_stops()


async def play_user(scenario: UserScenario, client: Client) -> None:
    world = UserWorld(client)
    async with world.control(WORKFLOWS):
        await scenario(world)


async def play_node(scenario: NodeScenario, client: Client) -> None:
    host = Host()
    async with host.workers(client):
        await scenario(client, host)


def plays() -> dict[str, Callable[[Client], Awaitable[None]]]:
    """Every story by its name, which its histories bear too."""
    told: dict[str, Callable[[Client], Awaitable[None]]] = {}
    told |= {s.__name__: partial(play_deployment, s) for s in SCENARIOS}
    told |= {s.__name__: partial(play_workspace, s) for s in WORKSPACE_SCENARIOS}
    told |= {s.__name__: partial(play_user, s) for s in USER_SCENARIOS}
    told |= {s.__name__: partial(play_node, s) for s in NODE_SCENARIOS}
    return told


async def main(names: list[str]) -> None:
    HISTORIES.mkdir(exist_ok=True)
    told = plays()
    for name in names or told:
        await record(name, told[name])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
