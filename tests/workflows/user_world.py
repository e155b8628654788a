"""A small world of one user who is deleted: apps, a workspace and records, in memory.

A part misbehaves by its activity's name: it ``fails`` (it is retried, or it is not, as its error
says), or ``hangs`` until it is let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from activities.contracts.base import Confirmed
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
    UserThings,
)
from ops.errors import StudioError, to_application_error
from workflows import ids

USER = 5


@dataclass
class UserWorld:
    client: Client
    apps: set[int] = field(default_factory=lambda: {7, 8})
    workspace: bool = True
    git: bool = True
    record: bool = True
    told: DeletionProgress = field(default_factory=lambda: DeletionProgress(user_id=USER))
    calls: list[str] = field(default_factory=list)
    fails: dict[str, StudioError] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)

    async def _enter(self, name: str) -> None:
        self.calls.append(name)
        if name in self.fails:
            raise to_application_error(self.fails[name])
        while name in self.hangs:
            activity.heartbeat()
            await asyncio.sleep(0.02)

    @activity.defn(name=LOAD_USER.name)
    async def load_user(self, given: UserRef) -> UserThings:
        if LOAD_USER.name in self.fails:
            raise to_application_error(self.fails[LOAD_USER.name])
        return UserThings(
            user_id=USER,
            apps=sorted(self.apps),
            workspace_node="workspace-87" if self.record else None,
            gone=self.told.gone,
        )

    @activity.defn(name=RECORD_DELETION.name)
    async def record_deletion(self, given: DeletionProgress) -> None:
        self.told = given

    @activity.defn(name=DELETE_USER_APP.name)
    async def delete_user_app(self, given: UserApp) -> Confirmed:
        await self._enter("delete_user_app")
        self.apps.discard(given.app_id)
        return Confirmed(gone=[f"repository u{USER}-app{given.app_id}"])

    @activity.defn(name=REMOVE_USER_WORKSPACE.name)
    async def remove_user_workspace(self, given: UserRef) -> Confirmed:
        await self._enter("remove_user_workspace")
        self.workspace = False
        return Confirmed(gone=[f"container ws-u-{USER}", "disk"])

    @activity.defn(name=DELETE_GIT_USER.name)
    async def delete_git_user(self, given: UserRef) -> Confirmed:
        await self._enter("delete_git_user")
        assert not self.apps
        assert not self.workspace
        self.git = False
        return Confirmed(gone=["Git user"])

    @activity.defn(name=DELETE_USER_RECORDS.name)
    async def delete_user_records(self, given: UserRef) -> Confirmed:
        await self._enter("delete_user_records")
        self.record = False
        return Confirmed(gone=["records"])

    def nothing_is_left(self) -> bool:
        return not (self.apps or self.workspace or self.git or self.record)

    def control(self, workflows: Sequence[type]) -> Worker:
        return Worker(
            self.client,
            task_queue=ids.CONTROL_QUEUE,
            workflows=workflows,
            activities=[
                self.load_user,
                self.record_deletion,
                self.delete_user_app,
                self.remove_user_workspace,
                self.delete_git_user,
                self.delete_user_records,
            ],
            max_heartbeat_throttle_interval=timedelta(seconds=0.1),
            graceful_shutdown_timeout=timedelta(seconds=0),
        )
