"""``delete-user-{userId}``: everything of a user, each part retried until it is confirmed gone.

The record that asks for it is written first, and from then on nothing new of the user is begun. A
deletion is never half of one: a cancel does not end it, and one that was ended by force is taken up
again by the sweep, with what was confirmed before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts.base import Activity, Confirmed, Frozen
    from activities.contracts.users import (
        DELETE_GIT_USER,
        DELETE_USER_APP,
        DELETE_USER_RECORDS,
        LOAD_USER,
        RECORD_DELETION,
        REMOVE_USER_WORKSPACE,
        DeletionProgress,
        UserApp,
        UserRef,
    )
    from workflows import ids
    from workflows.calls import begin, record, uninterrupted, until_ended
    from workflows.policies import AWAITED, CLEAR, Policy

In = TypeVar("In", bound=Frozen)

GIT = "Git user and keys"
RECORDS = "account"


@workflow.defn(name="DeleteUser")
class DeleteUser:
    @workflow.init
    def __init__(self, given: UserRef) -> None:
        self._user = given
        self._gone: list[str] = []
        self._left: list[str] = []
        self._telling = asyncio.Lock()

    @workflow.run
    async def run(self, given: UserRef) -> Confirmed:
        return await uninterrupted(asyncio.create_task(self._delete()))

    async def _delete(self) -> Confirmed:
        user = await record(LOAD_USER, self._user, "what there is of the user")
        self._gone = list(user.gone)
        apps = {f"app {app_id}": app_id for app_id in user.apps}
        place = [f"workspace on {user.workspace_node}"] if user.workspace_node else []
        self._left = [*apps, *place, GIT, RECORDS]
        await self._tell()
        # What can push and run goes first; that which lets it in (keys, records) once it is gone.
        await _all(
            [self._app(name, app_id) for name, app_id in apps.items()]
            + [self._part(name, REMOVE_USER_WORKSPACE, self._user, AWAITED) for name in place]
        )
        await self._part(GIT, DELETE_GIT_USER, self._user, CLEAR)
        await self._part(RECORDS, DELETE_USER_RECORDS, self._user, CLEAR)
        return Confirmed(gone=self._gone)

    async def _app(self, name: str, app_id: int) -> None:
        given = UserApp(user_id=self._user.user_id, app_id=app_id)
        await self._part(name, DELETE_USER_APP, given, AWAITED)

    async def _part(
        self, name: str, activity: Activity[In, Confirmed], given: In, policy: Policy
    ) -> None:
        gone = await begin(activity, given, policy, queue=ids.CONTROL_QUEUE, summary=name)
        self._gone += [thing for thing in gone.gone if thing not in self._gone]
        self._left.remove(name)
        await self._tell()

    async def _tell(self) -> None:
        """What the person and the operators see; in the order of what happened."""
        async with self._telling:
            told = DeletionProgress(
                user_id=self._user.user_id,
                gone=list(self._gone),
                left=list(self._left),
                ended=not self._left,
            )
            await record(RECORD_DELETION, told, f"{len(told.left)} parts are left")
        lines = [f"- {thing}" for thing in told.gone] + [f"- not yet: {name}" for name in told.left]
        workflow.set_current_details("\n".join(lines))


async def _all(parts: list[Coroutine[Any, Any, None]]) -> None:
    """Side by side, each to its end; then the first error, if there was one."""
    tasks = [asyncio.create_task(part) for part in parts]
    for task in tasks:
        await until_ended(task)
    for task in tasks:
        task.result()
