"""Each way in which a workspace can be used and end, told to the small world of its tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from activities.contracts.workspace import RunState, RunTask, WorkspaceStatus
from ops.errors import Conflict, StudioError
from tests.workflows.test_deploy import eventually
from tests.workflows.test_workspace import APP, OTHER, close, open_app, over, run, stop, until_run
from tests.workflows.workspace_world import USER, WorkspaceWorld
from workflows import commands, ids, workspace_commands

Scenario = Callable[[WorkspaceWorld], Awaitable[None]]


async def workspace_used(world: WorkspaceWorld) -> None:
    await open_app(world)
    await run(world, RunTask.DEV)
    await until_run(world, RunState.RUNNING)
    await workspace_commands.touch(world.client, USER)
    await stop(world)
    await run(world, RunTask.INSTALL)
    world.end(2, 0)
    await until_run(world, RunState.EXITED, 2)
    await open_app(world, OTHER)
    await close(world)
    await over(world)


async def workspace_opened_at_once(world: WorkspaceWorld) -> None:
    await asyncio.gather(*(open_app(world) for _ in range(3)), run(world, RunTask.DEV))
    await asyncio.gather(close(world), open_app(world))
    await close(world)
    await over(world)


async def workspace_idle(world: WorkspaceWorld) -> None:
    world.run_idle_seconds, world.idle_seconds = 1, 2
    await run(world, RunTask.DEV)
    await over(world)


async def workspace_failed(world: WorkspaceWorld) -> None:
    world.fails["ensure_workspace"] = Conflict("no such image")
    try:
        await open_app(world)
    except StudioError:
        await over(world)


async def workspace_brought_back(world: WorkspaceWorld) -> None:
    await run(world, RunTask.DEV)
    await until_run(world, RunState.RUNNING)
    world.engine_restarts()
    await until_run(world, RunState.RUNNING, 2)
    await close(world)
    await over(world)


async def workspace_cancelled(world: WorkspaceWorld) -> None:
    await run(world, RunTask.DEV)
    await until_run(world, RunState.RUNNING)
    await world.client.get_workflow_handle(ids.workspace_workflow(USER)).cancel()
    await eventually(lambda: world.record.status is WorkspaceStatus.STOPPED)
    await asyncio.sleep(1)


async def workspace_terminated_and_resumed(world: WorkspaceWorld) -> None:
    await run(world, RunTask.DEV)
    await until_run(world, RunState.RUNNING)
    await world.client.get_workflow_handle(ids.workspace_workflow(USER)).terminate("operator")
    await workspace_commands.resume(world.client, USER)
    await close(world)
    await over(world)


async def workspace_left_and_removed(world: WorkspaceWorld) -> None:
    await open_app(world, OTHER)
    await run(world, RunTask.DEV)
    await until_run(world, RunState.RUNNING)
    await workspace_commands.leave_app(world.client, USER, APP)
    world.owed.add(OTHER)
    await open_app(world)
    await workspace_commands.remove(world.client, USER)
    await over(world)


async def imported(world: WorkspaceWorld) -> None:
    await commands.import_app(world.client, APP, USER)
    await eventually(lambda: len(world.imports) == 1)


async def import_failed(world: WorkspaceWorld) -> None:
    world.fails["import_repository"] = Conflict("the repository is empty")
    await imported(world)


WORKSPACE_SCENARIOS: tuple[Scenario, ...] = (
    workspace_used,
    workspace_opened_at_once,
    workspace_idle,
    workspace_failed,
    workspace_brought_back,
    workspace_cancelled,
    workspace_terminated_and_resumed,
    workspace_left_and_removed,
    imported,
    import_failed,
)
