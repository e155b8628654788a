"""What the endpoints of a workspace node stand on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Annotated, TypeVar

import structlog
from fastapi import Depends, Path, Query
from fastapi.requests import HTTPConnection
from temporalio.client import Client
from temporalio.service import RPCError

from activities.beneath import Folder, clean, told
from activities.boundary import in_thread
from activities.contracts.workspace import WorkspaceRef
from activities.workspace_exec import Execs
from activities.workspace_git import REMOVE_SECONDS, removal_argv
from activities.workspace_home import Homes
from api.workspace_node.code_servers import CodeServers
from api.workspace_node.terminals import Terminals
from ops.error_codes import ErrorCode
from ops.errors import LimitReached, PlatformError
from ops.settings import Node, Settings
from workflows import ids

T = TypeVar("T")
log = structlog.get_logger()

TOUCH_SECONDS = 60.0
TOUCH = "touch"
MOST_UPLOADS = 8

UserId = Annotated[int, Path(ge=1)]
AppId = Annotated[int, Query(ge=1)]


@dataclass
class State:
    settings: Settings
    node: Node
    client: Client
    execs: Execs
    homes: Homes
    terminals: Terminals
    code: CodeServers
    touched: dict[int, float] = field(default_factory=dict)
    watching: Counter[int] = field(default_factory=Counter)
    reading: Counter[int] = field(default_factory=Counter)
    uploading: Counter[int] = field(default_factory=Counter)
    writing: defaultdict[int, asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock)
    )
    """One a user: between looking at a file's etag and replacing it no other write comes in."""

    @classmethod
    def make(cls, settings: Settings, node: Node, client: Client, execs: Execs) -> State:
        homes = Homes(settings, node.node_id)
        terminals, code = Terminals(execs), CodeServers(settings, node, execs)
        return cls(settings, node, client, execs, homes, terminals, code)

    async def in_app(
        self, user_id: int, app_id: int, path: str, work: Callable[[Folder, str], T]
    ) -> T:
        """``work`` on the app's folder and the cleaned path, in a thread."""
        wanted = clean(path)

        def inside() -> T:
            with self.homes.app(user_id, app_id) as folder, told(wanted):
                return work(folder, wanted)

        return await in_thread(inside)

    async def remove_folder(self, user_id: int, folder: FilePath) -> None:
        """Raises PlatformError when something of it is left."""
        inside = FilePath("/workspace") / folder.relative_to(self.homes.path(user_id))
        done = await self.execs.run(user_id, removal_argv(str(inside)), seconds=REMOVE_SECONDS)
        if done.exit_code != 0:
            raise PlatformError("the folder could not be removed", hint=done.said[-200:])

    @contextmanager
    def upload(self, user_id: int) -> Iterator[None]:
        """Each holds descriptors for as long as its sender takes. Raises LimitReached."""
        if self.uploading[user_id] >= MOST_UPLOADS:
            raise LimitReached(
                f"{MOST_UPLOADS} uploads of yours are under way",
                code=ErrorCode.UPLOADS_LIMIT,
                values={"limit": MOST_UPLOADS},
                hint="wait until one has ended",
            )
        self.uploading[user_id] += 1
        try:
            yield
        finally:
            self.uploading[user_id] -= 1

    def touch(self, user_id: int) -> None:
        """Somebody uses this workspace: it is told so, at most once a minute."""
        now = time.monotonic()
        if now - self.touched.get(user_id, -TOUCH_SECONDS) < TOUCH_SECONDS:
            return
        self.touched[user_id] = now
        task = asyncio.create_task(self._tell(user_id), name="touch")
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _tell(self, user_id: int) -> None:
        workflow = self.client.get_workflow_handle(ids.workspace_workflow(user_id))
        try:
            await workflow.signal(TOUCH, WorkspaceRef(user_id=user_id))
        except RPCError as error:
            self.touched.pop(user_id, None)
            log.debug("touch.not_told", user_id=user_id, error=str(error))

    async def close(self) -> None:
        await self.terminals.close()


def state(connection: HTTPConnection) -> State:
    made: State = connection.app.state.node
    return made


Here = Annotated[State, Depends(state)]
