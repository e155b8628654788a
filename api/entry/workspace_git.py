"""Git of an app in the workspace: the user's real repository, worked on as the user."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api.entry.deps import Caller, Me, Use, changeable, own_app
from api.entry.fields import Given, Taken
from api.entry.problems import Responses, errors
from api.entry.workspace_node import FilePath, ReadApp, call

router = APIRouter(prefix="/api/workspace/git", tags=["workspace"])

FAILS = errors(401, 403, 404, 409, 422, 503)
APP = Field(ge=1, le=2**53, examples=[7])
MOST_PATHS = 1000


A_COMMIT = Field(examples=["9fceb02d0ae598e95dc970b74767f19372d61af8"])


class InApp(Taken):
    app_id: int = APP


class CommitIn(InApp):
    message: str = Field(max_length=65_536, examples=["Say hello"])
    paths: list[str] | None = Field(default=None, max_length=MOST_PATHS, description="None: all")


class RestoreIn(InApp):
    commit: str = Field(max_length=40, examples=["3f9a1c2"])


class DiscardIn(InApp):
    paths: list[str] | None = Field(default=None, max_length=MOST_PATHS, description="None: all")


class FileStatus(Given):
    path: str = Field(examples=["src/main.js"])
    index: str = Field(examples=["."], description="As in `git status --porcelain=v2`")
    worktree: str = Field(examples=["M"])


class GitStatus(Given):
    branch: str | None = Field(examples=["main"])
    commit: str | None = A_COMMIT
    upstream: str | None = Field(examples=["origin/main"])
    ahead: int | None = Field(examples=[1])
    behind: int | None = Field(examples=[0])
    files: list[FileStatus]


class Diff(Given):
    patch: str = Field(examples=["--- a/src/main.js\n+++ b/src/main.js\n@@ -1 +1 @@\n-1\n+2\n"])
    truncated: bool


class LoggedCommit(Given):
    commit: str = A_COMMIT
    parents: list[str] = Field(examples=[["1b0e2f0c4a1d8d2a7f6c5b4a39281706f5e4d3c2"]])
    author: str = Field(examples=["ada"])
    email: str = Field(examples=["ada@example.org"])
    at: str = Field(examples=["2025-01-31T12:00:00+00:00"])
    subject: str = Field(examples=["Say hello"])


class Log(Given):
    commits: list[LoggedCommit]


class Committed(Given):
    commit: str = A_COMMIT


class Pushed(Given):
    branch: str = Field(examples=["main"])
    commit: str = A_COMMIT


class Pulled(Pushed):
    changed: bool


def _answers(model: type[Given]) -> Responses:
    return {200: {"model": model}}


def _author(me: Caller) -> dict[str, str]:
    return {"name": me.user.email.partition("@")[0], "email": me.user.email}


async def _post(me: Caller, use: Use, what: str, app_id: int, body: Any = None) -> Response:
    changeable(await own_app(use, me, app_id))
    return await call(use, me, "POST", f"/git/{what}", params={"app_id": app_id}, body=body)


@router.get("/status", responses=_answers(GitStatus) | FAILS, response_class=Response)
async def git_status(app_id: ReadApp, me: Me, use: Use) -> Response:
    """The branch, how it stands to the server's as last seen, and what is not committed."""
    return await call(use, me, "GET", "/git/status", params={"app_id": app_id})


@router.get("/diff", responses=_answers(Diff) | FAILS, response_class=Response)
async def git_diff(
    app_id: ReadApp, me: Me, use: Use, path: FilePath = "", staged: bool = False
) -> Response:
    """What has changed since the last commit, as a patch."""
    params = {"app_id": app_id, "path": path, "staged": staged}
    return await call(use, me, "GET", "/git/diff", params=params)


@router.get("/log", responses=_answers(Log) | FAILS, response_class=Response)
async def git_log(
    app_id: ReadApp,
    me: Me,
    use: Use,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """Commits, the latest first."""
    params = {"app_id": app_id, "limit": limit, "skip": skip}
    return await call(use, me, "GET", "/git/log", params=params)


@router.post("/commit", responses=_answers(Committed) | FAILS, response_class=Response)
async def git_commit(body: CommitIn, me: Me, use: Use) -> Response:
    """Everything that has changed, or only some paths, in your own name."""
    given = {"message": body.message, "paths": body.paths, **_author(me)}
    return await _post(me, use, "commit", body.app_id, given)


@router.post("/push", responses=_answers(Pushed) | FAILS, response_class=Response)
async def git_push(body: InApp, me: Me, use: Use) -> Response:
    """The branch that is checked out; 409 when the server's has moved."""
    return await _post(me, use, "push", body.app_id)


@router.post("/pull", responses=_answers(Pulled) | FAILS, response_class=Response)
async def git_pull(body: InApp, me: Me, use: Use) -> Response:
    """Forward to where the server's branch is; 409 when both sides have commits of their own."""
    return await _post(me, use, "pull", body.app_id)


@router.post("/restore", responses=_answers(Committed) | FAILS, response_class=Response)
async def git_restore(body: RestoreIn, me: Me, use: Use) -> Response:
    """The files as they were at a commit, as a new commit."""
    return await _post(me, use, "restore", body.app_id, {"commit": body.commit, **_author(me)})


@router.post("/discard", status_code=204, responses=FAILS, response_class=Response)
async def git_discard(body: DiscardIn, me: Me, use: Use) -> Response:
    """Back to the last commit: what is not committed is lost."""
    return await _post(me, use, "discard", body.app_id, {"paths": body.paths})
