"""Git of one app in the workspace, for the entry."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from activities.workspace_repository import SSH_FAILED, UNEXPLAINED, Author, WorkspaceGit
from api.workspace_node.state import AppId, Here, State, UserId
from ops.error_codes import ErrorCode
from ops.errors import Conflict, NodeUnavailable
from ops.settings import Settings

router = APIRouter(prefix="/git")

CONNECT_SECONDS = 2.0
KEPT = "your commits are kept here; try again in a minute"


class CommitBody(BaseModel):
    """``name`` and ``email`` are used where the workspace's own Git has none."""

    model_config = ConfigDict(extra="forbid")

    message: str = ""
    paths: list[str] | None = None
    commit: str = ""
    name: str
    email: str

    @property
    def author(self) -> Author:
        return Author(self.name, self.email)


class Paths(BaseModel):
    paths: list[str] | None = None


async def _of_server(
    here: State, git: WorkspaceGit, ask: Callable[[], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """Git only says that it failed: whether its server was away is looked at, and where the server
    is there (again), it is asked once more. Raises NodeUnavailable while it is away or starting."""
    try:
        return await ask()
    except Conflict as error:
        if error.code not in UNEXPLAINED:
            # It says what is wrong, and it is not the server.
            raise
        await _refuse_while_away(here.settings, git)
    try:
        return await ask()
    except Conflict:
        await _refuse_while_away(here.settings, git)
        raise


async def _refuse_while_away(settings: Settings, git: WorkspaceGit) -> None:
    host, port = str(settings.service_address), settings.ports.gitea_ssh
    code = await git.greeted(host, port)
    if code == 0:
        return
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        raise NodeUnavailable(
            "the Git server does not answer", code=ErrorCode.GIT_AWAY, hint=KEPT
        ) from None
    writer.close()
    # It is there, and either did not let the key in, which is for Git to tell, or is not ready.
    if code != SSH_FAILED:
        raise NodeUnavailable("the Git server is starting", code=ErrorCode.GIT_AWAY, hint=KEPT)


@router.get("/status")
async def status(user_id: UserId, app_id: AppId, here: Here) -> dict[str, Any]:
    here.touch(user_id)
    return dataclasses.asdict(await WorkspaceGit(here.execs, user_id, app_id).status())


@router.get("/diff")
async def diff(
    user_id: UserId, app_id: AppId, here: Here, path: str = "", staged: bool = False
) -> dict[str, Any]:
    here.touch(user_id)
    patch, cut = await WorkspaceGit(here.execs, user_id, app_id).diff(path, staged=staged)
    return {"patch": patch, "truncated": cut}


@router.get("/log")
async def log(
    user_id: UserId,
    app_id: AppId,
    here: Here,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> dict[str, Any]:
    here.touch(user_id)
    return {"commits": await WorkspaceGit(here.execs, user_id, app_id).log(limit, skip)}


@router.post("/commit")
async def commit(user_id: UserId, app_id: AppId, body: CommitBody, here: Here) -> dict[str, Any]:
    here.touch(user_id)
    git = WorkspaceGit(here.execs, user_id, app_id)
    return {"commit": await git.commit(body.message, body.paths, body.author)}


@router.post("/restore")
async def restore(user_id: UserId, app_id: AppId, body: CommitBody, here: Here) -> dict[str, Any]:
    here.touch(user_id)
    git = WorkspaceGit(here.execs, user_id, app_id)
    return {"commit": await git.restore(body.commit, body.author)}


@router.post("/push")
async def push(user_id: UserId, app_id: AppId, here: Here) -> dict[str, Any]:
    here.touch(user_id)
    git = WorkspaceGit(here.execs, user_id, app_id)
    return await _of_server(here, git, git.push)


@router.post("/pull")
async def pull(user_id: UserId, app_id: AppId, here: Here) -> dict[str, Any]:
    here.touch(user_id)
    git = WorkspaceGit(here.execs, user_id, app_id)
    return await _of_server(here, git, git.pull)


@router.post("/discard", status_code=204)
async def discard(user_id: UserId, app_id: AppId, body: Paths, here: Here) -> None:
    here.touch(user_id)
    await WorkspaceGit(here.execs, user_id, app_id).discard(body.paths)
