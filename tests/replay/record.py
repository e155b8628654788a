"""Records the histories anew: ``python -m tests.replay.record``, after a workflow was changed on purpose."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from tests.replay.scenarios import SCENARIOS, Scenario
from tests.workflows.conftest import temporal_binary
from tests.workflows.world import World
from workers.control_workflows import WORKFLOWS
from workflows.policies import APP_ID, DEPLOYMENT_ID, NODE_ID, STAGE, USER_ID

HISTORIES = Path(__file__).parent / "histories"
IMPERSONAL = {"stackTrace": "", "identity": "recorder"}


def impersonal(event: Any) -> Any:
    """A history without the recording machine's paths, processes and name; no replay reads them."""
    if isinstance(event, list):
        return [impersonal(item) for item in event]
    if isinstance(event, dict):
        return {key: IMPERSONAL.get(key, impersonal(value)) for key, value in event.items()}
    return event


async def record(scenario: Scenario) -> None:
    """Play one scenario on a server of its own; write the history of every workflow in it."""
    async with await WorkflowEnvironment.start_local(
        data_converter=pydantic_data_converter,
        dev_server_existing_path=str(temporal_binary()),
        search_attributes=[APP_ID, USER_ID, DEPLOYMENT_ID, NODE_ID, STAGE],
    ) as environment:
        world = World(environment.client)
        async with AsyncExitStack() as stack:
            for worker in world.workers(WORKFLOWS):
                await stack.enter_async_context(worker)
            await scenario(world)
            runs = 0
            async for found in environment.client.list_workflows("", page_size=100):
                handle = environment.client.get_workflow_handle(found.id, run_id=found.run_id)
                history = await handle.fetch_history()
                runs += 1
                path = HISTORIES / f"{scenario.__name__}.{found.id}.{runs}.json"
                path.write_text(json.dumps(impersonal(json.loads(history.to_json()))))


async def main() -> None:
    HISTORIES.mkdir(exist_ok=True)
    for old in HISTORIES.glob("*.json"):
        old.unlink()
    for scenario in SCENARIOS:
        await record(scenario)
        print(scenario.__name__)


if __name__ == "__main__":
    asyncio.run(main())
