"""``import-{appId}``: it ends with the source or with a reason, whatever happens meanwhile."""

from __future__ import annotations

from activities.contracts.imports import ImportEnd
from ops.error_codes import ErrorCode
from ops.errors import Invalid
from tests.workflows.test_deploy import eventually
from tests.workflows.workspace_world import NODE, USER, WorkspaceWorld
from workflows import commands, ids
from workflows.import_app import CANCELLED

APP = 7


async def ended(world: WorkspaceWorld) -> ImportEnd:
    await eventually(lambda: len(world.imports) == 1, 30)
    (end,) = world.imports
    assert end.app_id == APP
    assert end.error == (end.report.in_one if end.report else None)
    return end


async def test_it_is_fetched_once_with_the_users_own_key(workspace: WorkspaceWorld) -> None:
    for _ in range(2):
        await commands.import_app(workspace.client, APP, USER)
    assert (await ended(workspace)).error is None
    assert workspace.calls == ["register_workspace_key", "import_repository"]


async def test_a_refusal_is_told_in_words_and_not_repeated(workspace: WorkspaceWorld) -> None:
    refusal = Invalid("the repository is empty", code=ErrorCode.IMPORT_EMPTY, hint="push something")
    workspace.fails["import_repository"] = refusal
    await commands.import_app(workspace.client, APP, USER)
    end = await ended(workspace)
    assert end.error == "the repository is empty: push something"
    assert end.report is not None
    assert end.report.code == ErrorCode.IMPORT_EMPTY
    assert workspace.calls.count("import_repository") == 1


async def test_a_cancel_is_recorded_as_one(workspace: WorkspaceWorld) -> None:
    workspace.hangs.add("import_repository")
    await commands.import_app(workspace.client, APP, USER)
    await eventually(lambda: "import_repository" in workspace.calls)
    await workspace.client.get_workflow_handle(ids.import_workflow(APP)).cancel()
    assert (await ended(workspace)).report == CANCELLED


async def test_its_apps_deletion_waits_for_its_end(workspace: WorkspaceWorld) -> None:
    assert not await commands.cancel_import(workspace.client, APP)
    workspace.hangs.add("import_repository")
    await commands.import_app(workspace.client, APP, USER)
    await eventually(lambda: "import_repository" in workspace.calls)
    assert await commands.cancel_import(workspace.client, APP)
    assert [end.report for end in workspace.imports] == [CANCELLED]
    assert not await commands.cancel_import(workspace.client, APP)


async def test_a_host_that_is_gone_is_named(workspace: WorkspaceWorld) -> None:
    await workspace.node_stops()
    await commands.import_app(workspace.client, APP, USER)
    end = await ended(workspace)
    assert f"{NODE} did not take up the work" in (end.error or "")
