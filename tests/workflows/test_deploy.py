"""``deploy-{appId}`` and its child: success, failure, cancel, a dead host, busy, terminated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata

from activities.contracts.base import STAGE_ORDER, DeploymentKind, DeploymentStatus
from ops.error_codes import ErrorCode
from ops.errors import BuildFailed, Conflict, PlatformError, Unhealthy
from tests.workflows.world import RUNNER, RUNTIME, World
from workflows import commands, ids
from workflows.messages import DeleteAppInput, DeployRequest, OnBusy

APP = 1


async def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for a condition of the world; the test's own limit is only the last resort."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


def request(deployment_id: int, on_busy: OnBusy = OnBusy.REJECT) -> DeployRequest:
    return DeployRequest(deployment_id=deployment_id, app_id=APP, user_id=1, on_busy=on_busy)


async def submit(world: World, deployment_id: int, on_busy: OnBusy = OnBusy.REJECT) -> None:
    await commands.submit(world.client, request(deployment_id, on_busy))


async def recorded(world: World, deployment_id: int) -> None:
    """Until its end is on record; its workflow may still have to say so to ``deploy-{appId}``."""
    await eventually(lambda: deployment_id in world.progress and world.status(deployment_id).ended)


async def ended(world: World, deployment_id: int) -> DeploymentStatus:
    await recorded(world, deployment_id)
    await idle(world)
    return world.status(deployment_id)


async def idle(world: World) -> None:
    """Until ``deploy-{appId}`` has ended: the lock is free."""
    await world.client.get_workflow_handle(ids.deploy_workflow(APP)).result()


UNDONE = ["switch_route", "verify", "remove_container"]


def no_trace(world: World, deployment_id: int) -> None:
    assert ids.app_container(APP, deployment_id) not in world.containers
    assert not world.checkouts
    assert not world.slots
    assert world.route is None or world.route.release_id != deployment_id
    assert world.images <= world.named


async def test_a_deployment_goes_through_all_stages(world: World) -> None:
    await submit(world, 1)
    assert await ended(world, 1) is DeploymentStatus.SUCCEEDED
    assert world.stages(1) == {stage.value: "SUCCEEDED" for stage in STAGE_ORDER}
    assert world.live == 1
    assert world.containers == {"app-1-1"}
    assert not world.slots
    assert not world.checkouts


async def test_the_second_deployment_replaces_the_first(world: World) -> None:
    await submit(world, 1)
    await ended(world, 1)
    world.pushed.clear()
    await submit(world, 2)
    assert await ended(world, 2) is DeploymentStatus.SUCCEEDED
    assert world.containers == {"app-1-2"}
    assert world.progress[2].removed == ["container app-1-1"]


async def test_an_unchanged_tree_is_not_built_again(world: World) -> None:
    await submit(world, 1)
    await ended(world, 1)
    await submit(world, 2)
    await ended(world, 2)
    assert "build" not in world.stages(2)
    assert "push" not in world.stages(2)
    assert world.live == 2


@pytest.mark.parametrize(
    ("activity", "error", "status"),
    [
        ("clone", BuildFailed("no such ref"), DeploymentStatus.FAILED),
        ("build", BuildFailed("exit 1", log_tail=["boom"]), DeploymentStatus.FAILED),
        ("check_health", Unhealthy("exited", log_tail=["died"]), DeploymentStatus.FAILED),
        ("verify", Unhealthy("404"), DeploymentStatus.FAILED),
        ("soak", Unhealthy("died", log_tail=["died"]), DeploymentStatus.ROLLED_BACK),
        ("ensure_database", Conflict("too many"), DeploymentStatus.FAILED),
    ],
)
async def test_a_failure_leaves_the_old_release_serving(
    world: World, activity: str, error: BuildFailed, status: DeploymentStatus
) -> None:
    await submit(world, 1)
    await ended(world, 1)
    world.pushed.clear()
    world.fails[activity] = error
    await submit(world, 2)
    assert await ended(world, 2) is status
    assert world.live == 1
    assert world.route is not None
    assert world.route.release_id == 1
    assert world.containers == {"app-1-1"}
    no_trace(world, 2)
    report = world.progress[2].error
    assert report is not None
    assert report.what == error.what
    assert report.log_tail == error.log_tail


async def test_what_the_records_refuse_leaves_the_old_release_serving(world: World) -> None:
    """After a power cut they may know of something newer than what is resumed."""
    await submit(world, 1)
    await ended(world, 1)
    world.pushed.clear()
    world.fails["record_live"] = Conflict("a newer one took its place", code=ErrorCode.DISPLACED)
    await submit(world, 2)
    assert await ended(world, 2) is DeploymentStatus.FAILED
    report = world.progress[2].error
    assert report is not None
    assert report.code == ErrorCode.DISPLACED
    assert world.live == 1
    assert world.route is not None
    assert world.route.release_id == 1
    assert world.containers == {"app-1-1"}
    no_trace(world, 2)


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        (DeploymentKind.DEPLOY, set()),
        (DeploymentKind.REPAIR, set()),
        (DeploymentKind.ROLLBACK, {"sha256:lost"}),
        (DeploymentKind.STOP, {"sha256:lost"}),
    ],
)
async def test_an_image_in_no_record_goes_with_the_next_one_that_is_built(
    world: World, kind: DeploymentKind, left: set[str]
) -> None:
    """Or with the repair that follows when a deployment was ended by force."""
    world.images.add("sha256:lost")
    world.kinds[1] = kind
    await submit(world, 1)
    assert await ended(world, 1) is DeploymentStatus.SUCCEEDED
    assert world.images - world.named == left


async def test_what_cannot_be_planned_fails_at_once(world: World) -> None:
    world.fails["load_plan"] = Conflict("its image was pruned", code=ErrorCode.IMAGE_PRUNED)
    await submit(world, 1)
    assert await ended(world, 1) is DeploymentStatus.FAILED
    report = world.progress[1].error
    assert report is not None
    assert report.code == ErrorCode.IMAGE_PRUNED
    no_trace(world, 1)


async def test_an_app_whose_source_is_not_there_is_on_no_host(world: World) -> None:
    world.fails["clone"] = Conflict("there is no such branch")
    await submit(world, 1)
    assert await ended(world, 1) is DeploymentStatus.FAILED
    assert not {"place", "ensure_database"} & set(world.calls)
    no_trace(world, 1)


async def test_a_failure_beside_is_told_while_no_runner_is_free(world: World) -> None:
    world.hangs.add("hold_runner")
    world.fails["ensure_database"] = Conflict("too many")
    await submit(world, 1)
    assert await ended(world, 1) is DeploymentStatus.FAILED
    report = world.progress[1].error
    assert report is not None
    assert report.what == "too many"
    no_trace(world, 1)


async def test_what_is_given_up_for_a_failure_beside_does_not_seem_to_run_on(world: World) -> None:
    world.hangs.add("clone")
    world.fails["ensure_database"] = PlatformError("away")
    await submit(world, 1)
    await eventually(lambda: "clone" in world.calls)
    world.fails["ensure_database"] = Conflict("too many")
    assert await ended(world, 1) is DeploymentStatus.FAILED
    assert world.stages(1)["clone"] == "CANCELLED"
    no_trace(world, 1)


@pytest.mark.parametrize(
    "activity", ["hold_runner", "clone", "build", "push", "check_health", "verify", "soak"]
)
async def test_cancel_undoes_everything(world: World, activity: str) -> None:
    world.hangs.add(activity)
    await submit(world, 1)
    await eventually(lambda: activity in world.calls)
    await commands.cancel(world.client, APP, 1)
    assert await ended(world, 1) is DeploymentStatus.CANCELLED
    no_trace(world, 1)
    assert world.live is None
    assert world.progress[1].removed


@pytest.mark.parametrize("activity", ["check_health", "record_live"])
async def test_cancel_from_the_temporal_ui_takes_the_same_way(world: World, activity: str) -> None:
    """Also while the records are away, which is when operators press it."""
    world.hangs.add(activity)
    await submit(world, 1)
    await eventually(lambda: activity in world.calls)
    await world.client.get_workflow_handle(ids.deployment_workflow(1)).cancel()
    await eventually(lambda: world.status(1) is not DeploymentStatus.RUNNING)
    world.hangs.clear()
    assert await ended(world, 1) is DeploymentStatus.CANCELLED
    assert world.live is None
    assert not world.containers
    no_trace(world, 1)


async def test_an_undo_after_the_switch_ends_what_served_only_when_the_old_one_serves(
    world: World,
) -> None:
    await submit(world, 1)
    await ended(world, 1)
    world.pushed.clear()
    world.hangs.add("soak")
    await submit(world, 2)
    await eventually(lambda: world.calls.count("soak") == 2)
    world.calls.clear()
    await commands.cancel(world.client, APP, 2)
    assert await ended(world, 2) is DeploymentStatus.CANCELLED
    assert [name for name in world.calls if name in UNDONE] == UNDONE
    no_trace(world, 2)


@pytest.mark.parametrize("from_the_ui", [True, False])
async def test_a_stop_that_began_is_carried_through(world: World, from_the_ui: bool) -> None:
    """Half of it would be an app that the records take for live, and that does not answer."""
    await submit(world, 1)
    await ended(world, 1)
    world.calls.clear()
    world.kinds[2] = DeploymentKind.STOP
    world.hangs.add("switch_route")
    await submit(world, 2)
    await eventually(lambda: "switch_route" in world.calls)
    if from_the_ui:
        await world.client.get_workflow_handle(ids.deployment_workflow(2)).cancel()
    else:
        await commands.cancel(world.client, APP, 2)
    world.hangs.clear()
    assert await ended(world, 2) is DeploymentStatus.SUCCEEDED
    assert (world.live, world.route, world.containers) == (None, None, set())


async def test_images_of_failures_are_pruned_too(world: World) -> None:
    world.fails["check_health"] = BuildFailed("it never answers")
    await submit(world, 1)
    assert await ended(world, 1) is DeploymentStatus.FAILED
    assert world.calls.count("take_prunable") == 1


async def test_cancel_after_retire_began_is_too_late(world: World) -> None:
    world.hangs.add("retire")
    await submit(world, 1)
    await eventually(lambda: "retire" in world.calls)
    await commands.cancel(world.client, APP, 1)
    world.hangs.clear()
    assert await ended(world, 1) is DeploymentStatus.SUCCEEDED


async def test_a_cancel_as_a_deployment_ends_has_one_of_two_ends(world: World) -> None:
    """At twelve moments around the end: all of the new release, or all of the old one."""
    await submit(world, 1)
    await ended(world, 1)
    for number in range(2, 14):
        before, world.calls[:] = world.live, []
        await submit(world, number)
        await eventually(lambda: "verify" in world.calls)
        await asyncio.sleep((number - 2) * 0.008)
        await commands.cancel(world.client, APP, number)
        status = await ended(world, number)
        assert status in (DeploymentStatus.SUCCEEDED, DeploymentStatus.CANCELLED)
        live = number if status is DeploymentStatus.SUCCEEDED else before
        assert world.live == live
        assert world.route is not None
        assert world.route.release_id == live
        assert world.containers == {f"app-1-{live}"}
        assert not world.slots
        assert not world.checkouts


async def test_a_cancel_of_a_deployment_that_just_ended_does_not_break_the_lock(
    world: World,
) -> None:
    """Sent while the word of its end is on its way to the lock: it finds nobody."""
    for number in range(1, 9):
        await submit(world, number)
        await recorded(world, number)
        await asyncio.sleep(number * 0.002)
        await commands.cancel(world.client, APP, number)
        assert await ended(world, number) is DeploymentStatus.SUCCEEDED


async def test_a_busy_app_rejects(world: World) -> None:
    world.hangs.add("build")
    await submit(world, 1)
    with pytest.raises(Conflict):
        await submit(world, 2)
    world.hangs.clear()
    assert await ended(world, 1) is DeploymentStatus.SUCCEEDED


async def test_only_the_newest_waits(world: World) -> None:
    world.hangs.add("build")
    await submit(world, 1)
    await submit(world, 2, OnBusy.QUEUE)
    await submit(world, 3, OnBusy.QUEUE)
    world.hangs.clear()
    assert await ended(world, 3) is DeploymentStatus.SUCCEEDED
    assert world.status(1) is DeploymentStatus.SUCCEEDED
    assert world.status(2) is DeploymentStatus.CANCELLED
    assert world.live == 3


async def displaced(world: World, deployment_id: int, by: int) -> None:
    """It ended CANCELLED, and says for which one."""
    await recorded(world, deployment_id)
    assert world.status(deployment_id) is DeploymentStatus.CANCELLED
    error = world.progress[deployment_id].error
    assert error is not None
    assert (error.code, error.values) == (ErrorCode.DISPLACED, {"id": by})


@pytest.mark.parametrize("on_busy", [OnBusy.QUEUE, OnBusy.SUPERSEDE])
async def test_an_older_one_that_comes_late_gives_way(world: World, on_busy: OnBusy) -> None:
    world.hangs.add("build")
    await submit(world, 2)
    await submit(world, 1, on_busy)
    await displaced(world, 1, by=2)
    await submit(world, 4, OnBusy.QUEUE)
    await submit(world, 3, on_busy)
    await displaced(world, 3, by=4)
    world.hangs.clear()
    assert await ended(world, 4) is DeploymentStatus.SUCCEEDED
    assert world.status(2) is DeploymentStatus.SUCCEEDED
    assert world.live == 4


async def test_nothing_gives_way_to_a_repair(world: World) -> None:
    world.kinds[9] = DeploymentKind.REPAIR
    world.hangs.add("retire")
    repair = request(9, OnBusy.QUEUE).model_copy(update={"repair": True})
    await commands.submit(world.client, request(1))
    await eventually(lambda: "retire" in world.calls)
    await commands.submit(world.client, repair)
    await submit(world, 2, OnBusy.QUEUE)
    await submit(world, 3, OnBusy.QUEUE)
    await displaced(world, 2, by=3)
    world.hangs.clear()
    assert await ended(world, 3) is DeploymentStatus.SUCCEEDED
    assert world.status(9) is DeploymentStatus.SUCCEEDED


async def test_a_repair_gives_way_to_nothing(world: World) -> None:
    world.kinds[1] = DeploymentKind.REPAIR
    world.hangs.add("build")
    await submit(world, 2)
    repair = request(1, OnBusy.QUEUE).model_copy(update={"repair": True})
    await commands.submit(world.client, repair)
    world.hangs.clear()
    assert await ended(world, 1) is DeploymentStatus.SUCCEEDED
    assert world.status(2) is DeploymentStatus.SUCCEEDED


async def test_supersede_cancels_what_runs(world: World) -> None:
    world.hangs.add("build")
    await submit(world, 1)
    await eventually(lambda: "build" in world.calls)
    await submit(world, 2, OnBusy.SUPERSEDE)
    await eventually(lambda: 1 in world.progress and world.status(1).ended)
    world.hangs.clear()
    assert await ended(world, 2) is DeploymentStatus.SUCCEEDED
    assert world.status(1) is DeploymentStatus.CANCELLED
    error = world.progress[1].error
    assert error is not None
    assert error.code == ErrorCode.DISPLACED


async def test_a_waiting_deployment_can_be_cancelled(world: World) -> None:
    world.hangs.add("build")
    await submit(world, 1)
    await submit(world, 2, OnBusy.QUEUE)
    await commands.cancel(world.client, APP, 2)
    await eventually(lambda: 2 in world.progress)
    world.hangs.clear()
    assert await ended(world, 1) is DeploymentStatus.SUCCEEDED
    assert world.status(2) is DeploymentStatus.CANCELLED


async def test_while_it_runs_the_temporal_ui_names_each_stage(world: World) -> None:
    handle = world.client.get_workflow_handle(ids.deployment_workflow(1))

    async def details() -> str:
        known: WorkflowMetadata = await handle.query(
            "__temporal_workflow_metadata", result_type=WorkflowMetadata
        )
        return known.current_details

    world.hangs |= {"build", "check_health"}
    await submit(world, 1)
    await eventually(lambda: "build" in world.calls)
    told = await details()
    assert told.startswith("**RUNNING**")
    assert f"`{'a' * 10}`" in told
    assert f"- ✓ clone on {RUNNER} " in told
    assert f"- … build on {RUNNER}" in told.splitlines()
    world.hangs.discard("build")
    await eventually(lambda: "check_health" in world.calls)
    told = await details()
    assert f"- ✓ build on {RUNNER} " in told
    assert f"- … health on {RUNTIME}" in told.splitlines()
    world.hangs.clear()
    world.fails["verify"] = Unhealthy("it answers 404")
    assert await ended(world, 1) is DeploymentStatus.FAILED
    told = await details()
    assert told.startswith("**FAILED**")
    assert " — it answers 404" in told
    assert "- … " not in told


async def test_a_terminated_deployment_is_followed_by_a_repair(world: World) -> None:
    await submit(world, 1)
    await ended(world, 1)
    world.pushed.clear()
    world.hangs.add("check_health")
    await submit(world, 2)
    await eventually(lambda: world.calls.count("check_health") == 2)
    world.hangs.clear()
    await world.client.get_workflow_handle(ids.deployment_workflow(2)).terminate("operator")
    await eventually(lambda: 900 in world.progress and world.status(900).ended)
    assert world.status(2) is DeploymentStatus.FAILED
    assert world.status(900) is DeploymentStatus.SUCCEEDED
    assert world.containers == {"app-1-1"}


async def test_stop_takes_route_and_container(world: World) -> None:
    await submit(world, 1)
    await ended(world, 1)
    world.kinds[2] = DeploymentKind.STOP
    await submit(world, 2)
    assert await ended(world, 2) is DeploymentStatus.SUCCEEDED
    assert world.route is None
    assert not world.containers
    assert world.live is None


async def test_delete_cancels_what_runs_and_removes_everything(world: World) -> None:
    world.hangs.add("build")
    await submit(world, 1)
    await eventually(lambda: "build" in world.calls)
    await commands.delete_app(world.client, DeleteAppInput(app_id=APP, user_id=1))
    with pytest.raises(Conflict):
        await submit(world, 2)
    await idle(world)
    assert world.status(1) is DeploymentStatus.CANCELLED
    assert world.calls[-1] == "delete_app_records"
    no_trace(world, 1)


async def test_nothing_of_an_app_goes_before_its_import_has_ended(world: World) -> None:
    await submit(world, 1)
    await ended(world, 1)
    world.hangs.add("stop_import")
    world.calls.clear()
    await commands.delete_app(world.client, DeleteAppInput(app_id=APP, user_id=1))
    await eventually(lambda: "stop_import" in world.calls)
    await asyncio.sleep(0.3)
    assert world.calls == ["stop_import"]
    assert world.containers
    world.hangs.clear()
    await idle(world)
    assert world.calls[-1] == "delete_app_records"
