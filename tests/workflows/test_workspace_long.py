"""A workspace that is used for days goes on in a new history, with all that it knows."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from activities.contracts.workspace import RunState, RunTask, WorkspaceStatus
from tests.workflows.conftest import temporal_binary
from tests.workflows.test_deploy import eventually
from tests.workflows.test_workspace import close, latest, over, run, until_run
from tests.workflows.workspace_world import USER, WorkspaceWorld
from workers.control_workflows import WORKFLOWS
from workflows import ids, workspace_commands
from workflows.policies import USER_ID

SUGGEST = "limit.historyCount.suggestContinueAsNew=60"


@pytest_asyncio.fixture
async def hasty() -> AsyncIterator[WorkspaceWorld]:
    """On a server that suggests a new history after a few events."""
    async with await WorkflowEnvironment.start_local(
        data_converter=pydantic_data_converter,
        dev_server_existing_path=str(temporal_binary()),
        dev_server_extra_args=["--dynamic-config-value", SUGGEST],
        search_attributes=[USER_ID],
    ) as environment:
        world = WorkspaceWorld(environment.client)
        async with world.control(WORKFLOWS):
            await world.node_starts()
            yield world
            for run_id in world.running:
                world.end(run_id, 0)
            await world.node_stops()


async def test_a_long_history_goes_on_in_a_new_one_with_its_run(hasty: WorkspaceWorld) -> None:
    await run(hasty, RunTask.DEV)
    await until_run(hasty, RunState.RUNNING)
    handle = hasty.client.get_workflow_handle(ids.workspace_workflow(USER))
    first = (await handle.describe()).run_id
    for _ in range(30):
        await workspace_commands.touch(hasty.client, USER)
    await eventually(lambda: hasty.calls.count("follow_run") >= 2)
    assert (await handle.describe()).run_id != first
    assert (latest(hasty).state, hasty.running, hasty.made) == (RunState.RUNNING, [1], 1)
    assert (await run(hasty, RunTask.DEV)).status is WorkspaceStatus.OPEN
    assert hasty.running == [1]
    hasty.end(1, 3)
    await until_run(hasty, RunState.EXITED)
    assert latest(hasty).exit_code == 3
    await close(hasty)
    await over(hasty)
    assert hasty.containers == 0
