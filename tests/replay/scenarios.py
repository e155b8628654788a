"""Each way in which a deployment can end, as a story told to the small world of workflow tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from activities.contracts.base import DeploymentKind
from ops.errors import BuildFailed, Conflict, Unhealthy
from tests.workflows.test_deploy import APP, ended, eventually, submit
from tests.workflows.world import World
from workflows import commands, ids
from workflows.messages import DeleteAppInput, OnBusy

Scenario = Callable[[World], Awaitable[None]]


async def succeeded(world: World) -> None:
    await submit(world, 1)
    await ended(world, 1)


async def skipped_build(world: World) -> None:
    await submit(world, 1)
    await ended(world, 1)
    await submit(world, 2)
    await ended(world, 2)


async def failed_in_build(world: World) -> None:
    world.fails["build"] = BuildFailed("exit 1", log_tail=["boom"])
    await submit(world, 1)
    await ended(world, 1)


async def failed_after_switch(world: World) -> None:
    world.fails["verify"] = Unhealthy("404")
    await submit(world, 1)
    await ended(world, 1)


async def rolled_back(world: World) -> None:
    await submit(world, 1)
    await ended(world, 1)
    world.pushed.clear()
    world.fails["soak"] = Unhealthy("died")
    await submit(world, 2)
    await ended(world, 2)


async def refused_by_the_records(world: World) -> None:
    await submit(world, 1)
    await ended(world, 1)
    world.pushed.clear()
    world.fails["record_live"] = Conflict("a newer deployment took its place")
    await submit(world, 2)
    await ended(world, 2)


async def images_in_no_record(world: World) -> None:
    world.images.add("sha256:lost")
    await submit(world, 1)
    await ended(world, 1)
    assert world.images == world.named


async def refused_by_its_plan(world: World) -> None:
    world.fails["load_plan"] = Conflict("its image was pruned")
    await submit(world, 1)
    await ended(world, 1)


async def cancelled_in_push(world: World) -> None:
    world.hangs.add("push")
    await submit(world, 1)
    await eventually(lambda: "push" in world.calls)
    await commands.cancel(world.client, APP, 1)
    await ended(world, 1)


async def cancelled_in_soak_over_a_live_release(world: World) -> None:
    await submit(world, 1)
    await ended(world, 1)
    world.pushed.clear()
    world.hangs.add("soak")
    await submit(world, 2)
    await eventually(lambda: world.calls.count("soak") == 2)
    await commands.cancel(world.client, APP, 2)
    await ended(world, 2)


async def failed_with_its_image(world: World) -> None:
    world.fails["check_health"] = Unhealthy("it never answers")
    await submit(world, 1)
    await ended(world, 1)


async def cancelled_in_build(world: World) -> None:
    world.hangs.add("build")
    await submit(world, 1)
    await eventually(lambda: "build" in world.calls)
    await commands.cancel(world.client, APP, 1)
    await ended(world, 1)


async def cancelled_from_the_ui(world: World) -> None:
    world.hangs.add("check_health")
    await submit(world, 1)
    await eventually(lambda: "check_health" in world.calls)
    await world.client.get_workflow_handle(ids.deployment_workflow(1)).cancel()
    await ended(world, 1)


async def cancelled_while_it_waits(world: World) -> None:
    world.hangs.add("build")
    await submit(world, 1)
    await submit(world, 2, OnBusy.QUEUE)
    await commands.cancel(world.client, APP, 2)
    await eventually(lambda: 2 in world.progress)
    world.hangs.clear()
    await ended(world, 1)


async def cancelled_while_no_runner_is_free(world: World) -> None:
    world.drains |= set(world.runners)
    await submit(world, 1)
    await eventually(lambda: "hold_runner" in world.calls)
    await commands.cancel(world.client, APP, 1)
    await ended(world, 1)


async def runner_lost_in_build(world: World) -> None:
    lost, other = world.runners
    world.dies |= {"build", lost}
    await submit(world, 1)
    await eventually(lambda: world.next_runner == 2)
    world.dies.discard("build")
    await ended(world, 1)
    assert [owed.node_id for owed in world.owed] == [lost]
    assert other in {stage.host for stage in world.progress[1].stages}


async def undo_owed(world: World) -> None:
    """The app's host goes in the health stage and stays away while the deployment is undone."""
    world.dies |= {"check_health", "remove_container"}
    await submit(world, 1)
    await eventually(lambda: "check_health" in world.calls)
    await commands.cancel(world.client, APP, 1)
    await eventually(lambda: 1 in world.progress and world.status(1).ended, seconds=120)
    assert world.owed
    await ended(world, 1)


async def retried_with_its_image(world: World) -> None:
    world.fails["check_health"] = Unhealthy("it exited")
    await submit(world, 1)
    await ended(world, 1)
    world.fails.clear()
    world.kinds[2] = DeploymentKind.RETRY
    await submit(world, 2)
    await ended(world, 2)


async def superseded(world: World) -> None:
    world.hangs.add("build")
    await submit(world, 1)
    await eventually(lambda: "build" in world.calls)
    await submit(world, 2, OnBusy.SUPERSEDE)
    await eventually(lambda: 1 in world.progress and world.status(1).ended)
    world.hangs.clear()
    await ended(world, 2)


async def an_older_one_gave_way(world: World) -> None:
    world.hangs.add("build")
    await submit(world, 2)
    await submit(world, 3, OnBusy.QUEUE)
    await submit(world, 1, OnBusy.QUEUE)
    world.hangs.clear()
    await ended(world, 3)


async def stopped(world: World) -> None:
    await submit(world, 1)
    await ended(world, 1)
    world.kinds[2] = DeploymentKind.STOP
    await submit(world, 2)
    await ended(world, 2)


async def rolled_to_an_earlier_release(world: World) -> None:
    world.kinds[1] = DeploymentKind.ROLLBACK
    await submit(world, 1)
    await ended(world, 1)


async def terminated_and_repaired(world: World) -> None:
    world.hangs.add("check_health")
    await submit(world, 1)
    await eventually(lambda: "check_health" in world.calls)
    world.hangs.clear()
    await world.client.get_workflow_handle(ids.deployment_workflow(1)).terminate("operator")
    await eventually(lambda: 900 in world.progress and world.status(900).ended)


async def deleted(world: World) -> None:
    await submit(world, 1)
    await ended(world, 1)
    await commands.delete_app(world.client, DeleteAppInput(app_id=APP, user_id=1))
    await eventually(lambda: "delete_app_records" in world.calls)


SCENARIOS: tuple[Scenario, ...] = (
    succeeded,
    skipped_build,
    failed_in_build,
    failed_after_switch,
    rolled_back,
    refused_by_its_plan,
    refused_by_the_records,
    images_in_no_record,
    cancelled_in_build,
    cancelled_in_push,
    cancelled_in_soak_over_a_live_release,
    failed_with_its_image,
    cancelled_from_the_ui,
    cancelled_while_it_waits,
    cancelled_while_no_runner_is_free,
    runner_lost_in_build,
    undo_owed,
    retried_with_its_image,
    superseded,
    an_older_one_gave_way,
    stopped,
    rolled_to_an_earlier_release,
    terminated_and_repaired,
    deleted,
)

OLDER = frozenset(
    {
        "deletion_of_an_older_release",
        "an_older_one_took_over",
        "node_put_right_by_an_older_release",
        "node_gave_up_in_an_older_release",
        "deployed_by_an_older_release",
        "runner_lost_in_an_older_release",
        "cancelled_in_an_older_release",
    }
)
"""Recorded by an earlier version and kept: what is under way when it is upgraded goes on so."""
