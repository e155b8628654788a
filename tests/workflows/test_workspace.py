"""``workspace-{userId}``: opening, runs, idling, failure, cancel, a dead host, two at once."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus

from activities.contracts.workspace import Run, RunState, RunTask, WorkspaceRecord, WorkspaceStatus
from ops.error_codes import ErrorCode
from ops.errors import Conflict, NodeUnavailable, SourceError
from tests.workflows.test_deploy import eventually
from tests.workflows.workspace_world import USER, WorkspaceWorld
from workflows import ids, workspace_commands
from workflows.messages import WorkspaceView

APP, OTHER = 7, 8


async def open_app(world: WorkspaceWorld, app_id: int = APP) -> WorkspaceView:
    return await workspace_commands.open_app(world.client, USER, app_id)


async def run(world: WorkspaceWorld, task: RunTask, app_id: int = APP) -> WorkspaceView:
    return await workspace_commands.run(world.client, USER, app_id, task)


async def stop(world: WorkspaceWorld) -> WorkspaceView:
    return await workspace_commands.stop(world.client, USER)


async def close(world: WorkspaceWorld) -> WorkspaceView:
    return await workspace_commands.close(world.client, USER)


def latest(world: WorkspaceWorld) -> Run:
    assert world.record.run is not None
    return world.record.run


async def until_run(world: WorkspaceWorld, state: RunState, run_id: int = 1) -> None:
    await eventually(
        lambda: (
            world.record.run is not None
            and (world.record.run.run_id, world.record.run.state) == (run_id, state)
        )
    )


async def over(world: WorkspaceWorld) -> None:
    await world.client.get_workflow_handle(ids.workspace_workflow(USER)).result()


async def test_open_run_stop_close(workspace: WorkspaceWorld) -> None:
    view = await open_app(workspace)
    assert (view.status, view.app_id, view.node_id) == (WorkspaceStatus.OPEN, APP, "workspace-87")
    assert workspace.key_registered
    view = await run(workspace, RunTask.DEV)
    assert view.run is not None
    assert view.run.state is RunState.STARTING
    await until_run(workspace, RunState.RUNNING)
    view = await stop(workspace)
    assert view.run is not None
    assert (view.run.state, view.run.exit_code) == (RunState.STOPPED, 143)
    view = await close(workspace)
    assert view.status is WorkspaceStatus.STOPPED
    await over(workspace)
    assert (workspace.containers, workspace.saved, workspace.running) == (0, 1, [])
    assert [record.status.value for record in workspace.records][:2] == ["STARTING", "OPEN"]
    assert [record.status.value for record in workspace.records][-2:] == ["STOPPING", "STOPPED"]


async def test_ten_openings_at_once_give_one_container(workspace: WorkspaceWorld) -> None:
    views = await asyncio.gather(*(open_app(workspace) for _ in range(10)))
    assert {view.status for view in views} == {WorkspaceStatus.OPEN}
    assert (workspace.containers, workspace.made) == (1, 1)


async def test_a_closed_workspace_opens_again_and_counts_its_runs_on(
    workspace: WorkspaceWorld,
) -> None:
    await run(workspace, RunTask.DEV)
    await until_run(workspace, RunState.RUNNING)
    await close(workspace)
    await over(workspace)
    assert latest(workspace).state is RunState.STOPPED
    view = await run(workspace, RunTask.DEV)
    assert view.run is not None
    assert view.run.run_id == 2
    await until_run(workspace, RunState.RUNNING, 2)


async def test_open_and_close_at_once_end_in_either(workspace: WorkspaceWorld) -> None:
    await open_app(workspace)
    for _ in range(5):
        await asyncio.gather(close(workspace), open_app(workspace), close(workspace))
        containers = 1 if workspace.record.status is WorkspaceStatus.OPEN else 0
        assert workspace.containers == containers
    await open_app(workspace)
    assert workspace.containers == 1


@pytest.mark.parametrize(("exit_code", "task"), [(0, RunTask.BUILD), (1, RunTask.INSTALL)])
async def test_a_task_that_ends_by_itself_says_how(
    workspace: WorkspaceWorld, exit_code: int, task: RunTask
) -> None:
    view = await run(workspace, task)
    assert view.run is not None
    assert view.run.state is RunState.RUNNING
    workspace.end(1, exit_code)
    await until_run(workspace, RunState.EXITED)
    assert latest(workspace).exit_code == exit_code
    assert latest(workspace).log_tail == ["the last line"]


async def test_a_dev_server_that_dies_is_told_and_not_started_again(
    workspace: WorkspaceWorld,
) -> None:
    await run(workspace, RunTask.DEV)
    await until_run(workspace, RunState.RUNNING)
    workspace.end(1, 1)
    await until_run(workspace, RunState.EXITED)
    await open_app(workspace)
    assert list(workspace.processes) == [1]


async def test_a_run_is_running_only_once_its_port_answers(workspace: WorkspaceWorld) -> None:
    workspace.hangs.add("port")
    await run(workspace, RunTask.DEV)
    await eventually(lambda: "follow_run" in workspace.calls)
    assert latest(workspace).state is RunState.STARTING
    await stop(workspace)
    assert latest(workspace).state is RunState.STOPPED


async def test_the_same_run_again_is_the_same_and_another_is_refused(
    workspace: WorkspaceWorld,
) -> None:
    first, second = await asyncio.gather(run(workspace, RunTask.DEV), run(workspace, RunTask.DEV))
    assert first.run is not None
    assert second.run is not None
    assert first.run.run_id == second.run.run_id == 1
    with pytest.raises(Conflict, match="dev of app 7 is running"):
        await run(workspace, RunTask.INSTALL)
    with pytest.raises(Conflict):
        await run(workspace, RunTask.DEV, OTHER)
    assert workspace.running == [1]


async def test_opening_another_app_stops_what_runs(workspace: WorkspaceWorld) -> None:
    await run(workspace, RunTask.DEV)
    view = await open_app(workspace, OTHER)
    assert view.app_id == OTHER
    assert workspace.running == []
    assert workspace.checkouts == {APP, OTHER}


async def test_a_container_that_cannot_be_made_leaves_nothing(workspace: WorkspaceWorld) -> None:
    workspace.fails["ensure_workspace"] = Conflict("no such image")
    with pytest.raises(Conflict, match="no such image"):
        await open_app(workspace)
    assert workspace.record.status is WorkspaceStatus.STOPPED
    assert "stop_workspace" in workspace.calls
    await over(workspace)
    workspace.fails.clear()
    assert (await open_app(workspace)).status is WorkspaceStatus.OPEN


async def test_a_repository_that_cannot_be_cloned_leaves_the_workspace_open(
    workspace: WorkspaceWorld,
) -> None:
    workspace.fails["ensure_checkout"] = SourceError("there is no such repository")
    with pytest.raises(SourceError):
        await open_app(workspace)
    assert (workspace.record.status, workspace.record.app_id) == (WorkspaceStatus.OPEN, None)


async def test_too_many_runs_are_told_at_once(workspace: WorkspaceWorld) -> None:
    workspace.fails["start_run"] = NodeUnavailable("30 runs are busy on workspace-87")
    with pytest.raises(NodeUnavailable, match="30 runs"):
        await run(workspace, RunTask.DEV)
    assert workspace.calls.count("start_run") == 1
    assert latest(workspace).state is RunState.EXITED


async def test_a_run_that_never_started_keeps_its_reason_until_the_next(
    workspace: WorkspaceWorld,
) -> None:
    workspace.fails["start_run"] = SourceError(
        "nothing here can be run", code=ErrorCode.RUN_NOTHING, hint="add index.html"
    )
    with pytest.raises(SourceError):
        await run(workspace, RunTask.DEV)
    report = latest(workspace).report
    assert report is not None
    assert (report.code, report.what, report.hint) == (
        "run_nothing",
        "nothing here can be run",
        "add index.html",
    )
    assert "follow_run" not in workspace.calls
    workspace.fails.clear()
    await run(workspace, RunTask.DEV)
    await until_run(workspace, RunState.RUNNING, 2)
    workspace.end(2, 3)
    await until_run(workspace, RunState.EXITED, 2)
    assert (latest(workspace).report, latest(workspace).exit_code) == (None, 3)


async def test_what_idles_is_stopped_the_run_first(workspace: WorkspaceWorld) -> None:
    workspace.run_idle_seconds, workspace.idle_seconds = 1, 2.5
    await run(workspace, RunTask.DEV)
    await until_run(workspace, RunState.RUNNING)
    await until_run(workspace, RunState.STOPPED)
    assert workspace.containers == 1
    await over(workspace)
    assert (workspace.containers, workspace.saved) == (0, 1)


async def test_what_is_used_does_not_idle(workspace: WorkspaceWorld) -> None:
    # A busy machine may take more than a second to hand a signal on.
    workspace.run_idle_seconds = workspace.idle_seconds = 4.0
    await run(workspace, RunTask.DEV)
    used_until = time.monotonic() + 6
    while time.monotonic() < used_until:
        await asyncio.sleep(0.4)
        await workspace_commands.touch(workspace.client, USER)
    assert workspace.running == [1]
    await over(workspace)
    assert workspace.containers == 0


async def test_work_that_cannot_be_saved_does_not_keep_it_open(workspace: WorkspaceWorld) -> None:
    await open_app(workspace)
    workspace.fails["save_work"] = Conflict("the disk is full")
    assert (await close(workspace)).status is WorkspaceStatus.STOPPED
    assert workspace.containers == 0


async def test_cancel_from_the_temporal_ui_closes_it(workspace: WorkspaceWorld) -> None:
    await run(workspace, RunTask.DEV)
    await until_run(workspace, RunState.RUNNING)
    handle = workspace.client.get_workflow_handle(ids.workspace_workflow(USER))
    await handle.cancel()
    await eventually(lambda: workspace.record.status is WorkspaceStatus.STOPPED)
    assert (workspace.containers, workspace.saved, workspace.running) == (0, 1, [])
    async with asyncio.timeout(10):
        while (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
            await asyncio.sleep(0.05)
    assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED


async def test_cancel_while_it_opens_closes_it_afterwards(workspace: WorkspaceWorld) -> None:
    workspace.hangs.add("ensure_checkout")
    opening = asyncio.create_task(open_app(workspace))
    await eventually(lambda: "ensure_checkout" in workspace.calls)
    await workspace.client.get_workflow_handle(ids.workspace_workflow(USER)).cancel()
    await asyncio.sleep(0.2)
    workspace.hangs.clear()
    await opening
    await eventually(lambda: workspace.record.status is WorkspaceStatus.STOPPED)
    assert workspace.containers == 0


async def test_a_node_that_is_known_to_be_down_is_said_at_once(workspace: WorkspaceWorld) -> None:
    workspace.down = True
    async with asyncio.timeout(3):
        with pytest.raises(NodeUnavailable, match="workspace-87 is down"):
            await open_app(workspace)
    await over(workspace)
    workspace.down = False
    assert (await open_app(workspace)).status is WorkspaceStatus.OPEN


async def test_a_node_that_has_just_died_is_said_within_seconds(workspace: WorkspaceWorld) -> None:
    await workspace.node_stops()
    async with asyncio.timeout(15):
        with pytest.raises(NodeUnavailable, match="did not take up the work"):
            await open_app(workspace)
    assert workspace.record.status is WorkspaceStatus.STOPPED
    await workspace.node_starts()
    assert (await open_app(workspace)).status is WorkspaceStatus.OPEN


async def test_a_worker_that_dies_while_it_opens_is_waited_for(workspace: WorkspaceWorld) -> None:
    workspace.dies.add("ensure_workspace")
    opening = asyncio.create_task(open_app(workspace))
    await eventually(lambda: "ensure_workspace" in workspace.calls)
    workspace.dies.clear()
    assert (await opening).status is WorkspaceStatus.OPEN
    assert workspace.made == 1


async def test_a_run_outlives_the_nodes_worker(workspace: WorkspaceWorld) -> None:
    await run(workspace, RunTask.DEV)
    await until_run(workspace, RunState.RUNNING)
    await workspace.node_stops()
    await workspace.node_starts()
    await eventually(lambda: workspace.calls.count("follow_run") == 2)
    assert (workspace.running, latest(workspace).state) == ([1], RunState.RUNNING)
    workspace.end(1, 1)
    await until_run(workspace, RunState.EXITED)


async def test_a_dev_server_comes_back_after_the_engine(workspace: WorkspaceWorld) -> None:
    await run(workspace, RunTask.DEV)
    await until_run(workspace, RunState.RUNNING)
    workspace.engine_restarts()
    await until_run(workspace, RunState.RUNNING, 2)
    assert (workspace.containers, workspace.running) == (1, [2])


async def test_one_that_was_terminated_is_taken_up_with_its_run(workspace: WorkspaceWorld) -> None:
    await run(workspace, RunTask.DEV)
    await until_run(workspace, RunState.RUNNING)
    handle = workspace.client.get_workflow_handle(ids.workspace_workflow(USER))
    await handle.terminate("operator")
    view = await workspace_commands.resume(workspace.client, USER)
    assert (view.status, view.app_id) == (WorkspaceStatus.OPEN, APP)
    assert (workspace.made, workspace.running) == (1, [1])
    workspace.end(1, 1)
    await until_run(workspace, RunState.EXITED)


async def test_one_that_was_terminated_while_it_closed_is_closed(workspace: WorkspaceWorld) -> None:
    workspace.containers = 1
    workspace.record = WorkspaceRecord(user_id=USER, status=WorkspaceStatus.STOPPING, app_id=APP)
    view = await workspace_commands.resume(workspace.client, USER)
    assert view.status is WorkspaceStatus.STOPPED
    assert workspace.containers == 0


async def test_an_answer_that_takes_long_is_not_waited_for(
    workspace: WorkspaceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace_commands, "WORKSPACE_ANSWER", timedelta(seconds=1))
    workspace.hangs.add("ensure_checkout")
    with pytest.raises(TimeoutError):
        await open_app(workspace)
    await eventually(lambda: workspace.record.status is WorkspaceStatus.OPEN)
    workspace.hangs.clear()
    await eventually(lambda: workspace.record.app_id == APP)


# --- deletions -----------------------------------------------------------------------------------


async def test_a_deleted_apps_run_ends_and_its_folder_goes(workspace: WorkspaceWorld) -> None:
    await open_app(workspace, OTHER)
    await run(workspace, RunTask.DEV)
    await until_run(workspace, RunState.RUNNING)
    workspace.owed.add(APP)
    gone = await workspace_commands.leave_app(workspace.client, USER, APP)
    assert gone.gone == ["folder of app 7"]
    assert (workspace.checkouts, workspace.running, workspace.owed) == ({OTHER}, [], set())
    assert (workspace.record.status, workspace.record.app_id) == (WorkspaceStatus.OPEN, None)


async def test_a_deleted_app_does_not_end_what_another_runs(workspace: WorkspaceWorld) -> None:
    await open_app(workspace, OTHER)
    await run(workspace, RunTask.DEV)
    await until_run(workspace, RunState.RUNNING)
    await workspace_commands.leave_app(workspace.client, USER, OTHER)
    assert (workspace.checkouts, workspace.running) == ({APP}, [1])


async def test_what_a_closed_workspace_owes_goes_when_it_opens(workspace: WorkspaceWorld) -> None:
    await open_app(workspace, OTHER)
    await close(workspace)
    await over(workspace)
    workspace.owed.add(OTHER)
    gone = await workspace_commands.leave_app(workspace.client, USER, OTHER)
    assert (gone.gone, workspace.containers) == ([], 0)
    workspace.fails["remove_checkout"] = Conflict("it is in the way")
    await open_app(workspace)
    assert workspace.owed == {OTHER}
    workspace.fails.clear()
    await open_app(workspace)
    assert (workspace.checkouts, workspace.owed) == ({APP}, set())


async def test_an_app_that_is_being_deleted_is_not_opened(workspace: WorkspaceWorld) -> None:
    workspace.deleting.add(APP)
    for refused in (open_app(workspace), run(workspace, RunTask.DEV)):
        with pytest.raises(Conflict, match="being deleted"):
            await refused
    assert workspace.checkouts == set()


async def test_a_removed_workspace_leaves_nothing_and_is_not_brought_back(
    workspace: WorkspaceWorld,
) -> None:
    await run(workspace, RunTask.DEV)
    await until_run(workspace, RunState.RUNNING)
    await workspace.node_stops()
    with pytest.raises(NodeUnavailable):
        await workspace_commands.remove(workspace.client, USER)
    await workspace.node_starts()
    gone = await workspace_commands.remove(workspace.client, USER)
    assert gone.gone == ["container ws-u-1", "disk"]
    await over(workspace)
    assert (workspace.containers, workspace.disk, workspace.running) == (0, False, [])
    assert workspace.record.status is WorkspaceStatus.STOPPED
    await workspace_commands.remove(workspace.client, USER)
