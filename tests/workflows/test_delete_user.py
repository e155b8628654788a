"""``delete-user-{userId}``: all of it, a part that fails, a host that is away, cancel, by force."""

from __future__ import annotations

from functools import partial

import pytest
from temporalio.client import WorkflowFailureError

from activities.contracts.base import Confirmed
from ops.errors import Conflict, NodeUnavailable, PlatformError
from tests.workflows.test_deploy import eventually
from tests.workflows.user_world import USER, UserWorld
from workflows import commands, ids

ALL = {
    f"repository u{USER}-app7",
    f"repository u{USER}-app8",
    f"container ws-u-{USER}",
    "disk",
    "Git user",
    "records",
}


async def ended(world: UserWorld) -> list[str]:
    handle = world.client.get_workflow_handle(ids.delete_user_workflow(USER), result_type=Confirmed)
    confirmed: Confirmed = await handle.result()
    return confirmed.gone


async def test_everything_goes_and_is_listed(deletion: UserWorld) -> None:
    for _ in range(2):
        await commands.delete_user(deletion.client, USER)
    assert set(await ended(deletion)) == ALL
    assert deletion.nothing_is_left()
    assert deletion.calls[-2:] == ["delete_git_user", "delete_user_records"]
    assert len(deletion.calls) == 5
    assert (set(deletion.told.gone), deletion.told.left, deletion.told.ended) == (ALL, [], True)


def _was_tried_again(world: UserWorld, part: str) -> bool:
    return world.calls.count(part) > 1


async def test_each_part_that_fails_is_tried_until_it_is_gone(deletion: UserWorld) -> None:
    parts = ["delete_user_app", "remove_user_workspace", "delete_git_user", "delete_user_records"]
    deletion.fails |= dict.fromkeys(parts, PlatformError("it answered 500"))
    await commands.delete_user(deletion.client, USER)
    for part in parts:
        await eventually(partial(_was_tried_again, deletion, part))
        assert not deletion.told.ended
        assert deletion.record
        del deletion.fails[part]
    assert set(await ended(deletion)) == ALL


async def test_a_host_that_is_away_holds_up_nothing_but_the_end(deletion: UserWorld) -> None:
    deletion.fails["remove_user_workspace"] = NodeUnavailable("workspace-87 is down")
    await commands.delete_user(deletion.client, USER)
    await eventually(lambda: not deletion.apps and len(deletion.told.left) == 3)
    assert deletion.told.left[0] == "workspace on workspace-87"
    assert (deletion.git, deletion.record) == (True, True)
    deletion.fails.clear()
    assert set(await ended(deletion)) == ALL


async def test_a_cancel_leaves_nothing_half_deleted(deletion: UserWorld) -> None:
    deletion.hangs.add("remove_user_workspace")
    await commands.delete_user(deletion.client, USER)
    await eventually(lambda: "remove_user_workspace" in deletion.calls)
    await deletion.client.get_workflow_handle(ids.delete_user_workflow(USER)).cancel()
    deletion.hangs.clear()
    assert set(await ended(deletion)) == ALL
    assert deletion.nothing_is_left()


async def test_one_that_was_ended_by_force_goes_on_with_what_was_confirmed(
    deletion: UserWorld,
) -> None:
    deletion.hangs.add("remove_user_workspace")
    await commands.delete_user(deletion.client, USER)
    await eventually(lambda: len(deletion.told.gone) == 2)
    handle = deletion.client.get_workflow_handle(ids.delete_user_workflow(USER))
    await handle.terminate("operator")
    deletion.hangs.clear()
    await commands.delete_user(deletion.client, USER)
    assert set(await ended(deletion)) == ALL
    assert deletion.calls.count("delete_user_app") == 2


async def test_one_that_nobody_asked_for_deletes_nothing(deletion: UserWorld) -> None:
    deletion.fails["load_user"] = Conflict("nobody has asked for it")
    await commands.delete_user(deletion.client, USER)
    with pytest.raises(WorkflowFailureError):
        await ended(deletion)
    assert (deletion.calls, deletion.told.left) == ([], [])
    # It is in nobody's way who does ask.
    deletion.fails.clear()
    await commands.delete_user(deletion.client, USER)
    assert set(await ended(deletion)) == ALL
