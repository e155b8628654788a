"""Each way in which a user's deletion can go, told to the small world of its tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ops.errors import PlatformError
from tests.workflows.test_delete_user import ended
from tests.workflows.test_deploy import eventually
from tests.workflows.user_world import USER, UserWorld
from workflows import commands, ids

Scenario = Callable[[UserWorld], Awaitable[None]]


async def user_deleted(world: UserWorld) -> None:
    await commands.delete_user(world.client, USER)
    await ended(world)


async def user_deletion_cancelled(world: UserWorld) -> None:
    world.fails["remove_user_workspace"] = PlatformError("it answered 500")
    await commands.delete_user(world.client, USER)
    await eventually(lambda: "remove_user_workspace" in world.calls)
    await world.client.get_workflow_handle(ids.delete_user_workflow(USER)).cancel()
    world.fails.clear()
    await ended(world)


USER_SCENARIOS: tuple[Scenario, ...] = (user_deleted, user_deletion_cancelled)
