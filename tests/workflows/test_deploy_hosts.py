"""Hosts that die, drain or are away while a deployment needs them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest
import pytest_asyncio
from temporalio.client import Client

from activities.contracts.base import DeploymentKind, DeploymentStatus, Stage
from activities.contracts.nodes import NodeRole
from ops.error_codes import ErrorCode
from ops.errors import PlatformError
from tests.workflows.node_world import HostOfApps, HostOfBuilds, a_boot, takes_work, watched
from tests.workflows.test_deploy import APP, ended, eventually, no_trace, submit
from tests.workflows.world import RUNNER, RUNTIME, World
from workers.control_workflows import WORKFLOWS
from workers.lifecycle import say_hello
from workflows import commands, ids, policies

SECOND = timedelta(seconds=1)


H = TypeVar("H", HostOfApps, HostOfBuilds)


@asynccontextmanager
async def hosted(host: H, world: World) -> AsyncIterator[H]:
    """A host of a world, which says how it is when it has come back."""
    async with AsyncExitStack() as stack:
        for worker in world.workers(WORKFLOWS, host.of_itself()):
            await stack.enter_async_context(worker)
        yield host
        host.shutting_down = True
        world.hangs.clear()


@pytest_asyncio.fixture
async def runtime(client: Client) -> AsyncIterator[HostOfApps]:
    world = World(client)
    async with hosted(HostOfApps(world=world), world) as host:
        yield host


@pytest_asyncio.fixture
async def runner(client: Client) -> AsyncIterator[HostOfBuilds]:
    world = World(client)
    async with hosted(HostOfBuilds(world=world), world) as host:
        yield host


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is gone is waited for a moment, not for as long as its restart may take."""
    for name, times in (("WATCHED", 3), ("UNDO", 2), ("STOP", 2)):
        short = replace(getattr(policies, name), schedule_to_close=times * SECOND, heartbeat=SECOND)
        monkeypatch.setattr(policies, name, short)
    monkeypatch.setattr("workflows.course.UNDO", policies.UNDO)


async def test_a_runner_that_dies_is_left_for_another(client_with_two: World) -> None:
    world = client_with_two
    world.dies |= {"build", "runner-101"}
    await submit(world, 1)
    await eventually(lambda: world.next_runner == 2)
    world.dies.discard("build")
    assert await ended(world, 1) is DeploymentStatus.SUCCEEDED
    stages = {stage.name: stage for stage in world.progress[1].stages}
    assert stages[Stage.BUILD].host == "runner-101-2"
    assert stages[Stage.CLONE].attempt == 2
    assert [owed.node_id for owed in world.owed] == ["runner-101"]


async def test_a_runner_is_lost_while_what_runs_beside_is_tried_again(
    client_with_two: World,
) -> None:
    """The database's server is away: that is no step of the runner's."""
    world = client_with_two
    world.fails["ensure_database"] = PlatformError("the database server does not answer")
    world.dies |= {"clone", "runner-101"}
    await submit(world, 1)
    await eventually(lambda: world.next_runner == 2)
    world.dies.discard("clone")
    world.fails.clear()
    assert await ended(world, 1) is DeploymentStatus.SUCCEEDED
    assert [owed.node_id for owed in world.owed] == ["runner-101"]


async def test_a_runner_that_dies_before_it_could_say_so_is_left_for_another(world: World) -> None:
    world.dies.add("hold_runner")
    await submit(world, 1)
    await eventually(lambda: "hold_runner" in world.calls)
    world.dies.clear()
    assert await ended(world, 1) is DeploymentStatus.SUCCEEDED
    assert world.calls.count("hold_runner") == 2


async def test_a_runner_that_drains_leaves_builds_to_another(client_with_two: World) -> None:
    world = client_with_two
    world.drains.add("runner-101")
    await submit(world, 1)
    assert await ended(world, 1) is DeploymentStatus.SUCCEEDED
    stages = {stage.name: stage for stage in world.progress[1].stages}
    assert stages[Stage.BUILD].host == "runner-101-2"
    assert stages[Stage.CLONE].attempt == 1
    assert not world.owed


async def test_while_every_runner_drains_a_build_waits(world: World) -> None:
    world.drains.add("runner-101")
    await submit(world, 1)
    await eventually(lambda: world.calls.count("hold_runner") == 2)
    assert "clone" not in world.calls
    world.drains.clear()
    assert await ended(world, 1) is DeploymentStatus.SUCCEEDED


async def test_a_build_that_waits_for_a_runner_can_be_cancelled(world: World) -> None:
    world.drains.add("runner-101")
    await submit(world, 1)
    await eventually(lambda: "hold_runner" in world.calls)
    await commands.cancel(world.client, APP, 1)
    assert await ended(world, 1) is DeploymentStatus.CANCELLED
    no_trace(world, 1)


@pytest.mark.usefixtures("impatient")
async def test_a_runtime_that_dies_in_the_health_stage_owes_the_undo_and_does_it_when_it_is_back(
    runtime: HostOfApps,
) -> None:
    world = runtime.world
    assert world is not None
    await submit(world, 1)
    await ended(world, 1)
    world.pushed.clear()
    world.dies |= {"check_health", "remove_container"}
    await submit(world, 2)
    assert await ended(world, 2) is DeploymentStatus.FAILED
    report = world.progress[2].error
    assert report is not None
    assert (report.stage, report.host) == (Stage.HEALTH.value, RUNTIME)
    assert report.code in (ErrorCode.HOST_LATE, ErrorCode.HOST_SILENT)
    assert world.stages(2)["health"] == "FAILED"
    assert [(owed.node_id, owed.what) for owed in world.owed] == [(RUNTIME, "container app-1-2")]
    assert "container app-1-2" not in world.progress[2].removed
    assert world.containers == {"app-1-1", "app-1-2"}

    world.dies.clear()
    await say_hello(world.client, a_boot(), takes_work)
    await eventually(lambda: world.containers == {"app-1-1"})
    await say_hello(world.client, a_boot(), takes_work)
    await eventually(lambda: [owed.deployment_id for owed in runtime.done] == [2])
    assert world.live == 1
    assert world.route is not None
    assert world.route.release_id == 1
    no_trace(world, 2)


@pytest.mark.usefixtures("impatient")
async def test_an_app_is_stopped_also_where_its_runtime_is_gone(runtime: HostOfApps) -> None:
    world = runtime.world
    assert world is not None
    await submit(world, 1)
    await ended(world, 1)
    world.kinds[2] = DeploymentKind.STOP
    world.dies.add("switch_route")
    await submit(world, 2)
    assert await ended(world, 2) is DeploymentStatus.SUCCEEDED
    assert world.live is None
    assert world.stages(2) == {"switch": "FAILED"}
    assert [(owed.node_id, owed.deployment_id) for owed in world.owed] == [(RUNTIME, 2)]

    world.dies.clear()
    await say_hello(world.client, a_boot(), takes_work)
    await eventually(lambda: not world.containers and world.route is None)


@pytest.mark.usefixtures("impatient")
async def test_a_cancel_does_not_wait_for_a_runtime_that_is_gone(runtime: HostOfApps) -> None:
    world = runtime.world
    assert world is not None
    world.dies |= {"check_health", "remove_container"}
    await submit(world, 1)
    await eventually(lambda: "check_health" in world.calls)
    await commands.cancel(world.client, APP, 1)
    assert await ended(world, 1) is DeploymentStatus.CANCELLED
    assert [owed.what for owed in world.owed] == ["container app-1-1"]
    assert world.containers == {"app-1-1"}
    world.dies.clear()
    await say_hello(world.client, a_boot(), takes_work)
    await eventually(lambda: not world.containers)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("policy", "activity", "stage"),
    [("WATCHED", "check_health", Stage.HEALTH), ("PULLED", "start_container", Stage.START)],
)
async def test_a_runtime_that_is_gone_for_good_is_waited_for_only_as_long_as_a_restart(
    client: Client, monkeypatch: pytest.MonkeyPatch, policy: str, activity: str, stage: Stage
) -> None:
    """However long its image takes, or the app's own health setting would let it be watched."""
    patient = getattr(policies, policy)
    assert patient.schedule_to_start == policies.RESTART
    short = replace(
        patient, schedule_to_start=SECOND, schedule_to_close=60 * SECOND, heartbeat=SECOND
    )
    monkeypatch.setattr(policies, policy, short)
    world = World(client)
    world.hangs.add(activity)
    async with AsyncExitStack() as stack:
        for worker in world.workers(WORKFLOWS):
            if worker.task_queue == RUNTIME:
                host = worker
            else:
                await stack.enter_async_context(worker)
        async with host:
            await submit(world, 1)
            await eventually(lambda: activity in world.calls)
        assert await ended(world, 1) is DeploymentStatus.FAILED
    report = world.progress[1].error
    assert report is not None
    assert (report.stage, report.code) == (stage.value, ErrorCode.HOST_TAKES_NOTHING)
    assert [(owed.node_id, owed.what) for owed in world.owed] == [(RUNTIME, "container app-1-1")]
    assert not world.slots
    assert world.route is None


async def test_a_build_whose_workflow_was_terminated_gives_back_slot_and_checkout(
    runner: HostOfBuilds,
) -> None:
    """Nothing of it is left to undo it: its runner finds its checkout, which was under way before."""
    world = runner.world
    assert world is not None
    world.hangs.add("build")
    await submit(world, 1)
    await eventually(lambda: "build" in world.calls)
    await say_hello(world.client, a_boot(RUNNER, NodeRole.RUNNER), takes_work)
    handle = world.client.get_workflow_handle(ids.node_workflow(RUNNER))
    await watched(handle)
    assert world.checkouts == {1}
    await world.client.get_workflow_handle(ids.deployment_workflow(1)).terminate("operator")
    await eventually(lambda: not world.slots)
    await eventually(lambda: not world.checkouts)
    assert world.status(1) is DeploymentStatus.FAILED
    assert await ended(world, 900) is DeploymentStatus.SUCCEEDED
