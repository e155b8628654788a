"""Git in a user's repository: always inside the container, as its user.

Hooks, filters and fsmonitor of a repository run there and nowhere else. Arguments and the parsing
of what Git answers are pure functions; what people are told depends on exit codes and counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from activities.beneath import clean
from activities.workspace_exec import Done, Execs
from ops.error_codes import ErrorCode
from ops.errors import Conflict, Invalid, NotFound

SECONDS = 60.0
GREETING_SECONDS = 10.0
SSH_FAILED = 255
UNEXPLAINED = frozenset((ErrorCode.PUSH_REFUSED, ErrorCode.GIT_TOO_SLOW, ErrorCode.GIT_FAILED))
"""What is told when Git itself did not say what is wrong: it may have been its server."""
DIFF_LIMIT = 2 * 1024 * 1024
LONGEST_MESSAGE = 64 * 1024
MOST_PATHS = 1000
FIELDS = "%H%x1f%P%x1f%an%x1f%ae%x1f%aI%x1f%s"
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat"}
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_GIT = ["git", "--literal-pathspecs", "-c", "core.quotePath=false"]
# Whoever has set a name in the workspace keeps it; everybody else commits by their account.
_AS_SOMEBODY = (
    'git -C "$1" config user.email > /dev/null'
    ' || export GIT_AUTHOR_NAME="$2" GIT_AUTHOR_EMAIL="$3" GIT_COMMITTER_NAME="$2"'
    ' GIT_COMMITTER_EMAIL="$3"; shift 3; exec "$@"'
)


@dataclass(frozen=True)
class Author:
    name: str
    email: str


@dataclass
class Status:
    """``ahead`` and ``behind`` are None without a branch on the server to compare with."""

    branch: str | None = None
    commit: str | None = None
    upstream: str | None = None
    ahead: int | None = None
    behind: int | None = None
    files: list[dict[str, Any]] = field(default_factory=list)


def parse_status(output: bytes) -> Status:
    """``git status --porcelain=v2 --branch -z``."""
    status = Status()
    parts = iter(output.decode(errors="replace").split("\0"))
    for part in parts:
        match part.split(" ", 1):
            case ["#", header]:
                _header(status, header)
            case ["1", rest]:
                fields = rest.split(" ", 7)
                status.files.append(_file(fields[0], fields[7]))
            case ["2", rest]:
                fields = rest.split(" ", 8)
                status.files.append(_file(fields[0], fields[8]) | {"from": next(parts, "")})
            case ["u", rest]:
                fields = rest.split(" ", 9)
                status.files.append(_file(fields[0], fields[9]) | {"conflict": True})
            case ["?", path]:
                status.files.append(_file("??", path))
    return status


def _header(status: Status, header: str) -> None:
    key, _, value = header.partition(" ")
    if key == "branch.oid" and value != "(initial)":
        status.commit = value
    elif key == "branch.head" and value != "(detached)":
        status.branch = value
    elif key == "branch.upstream":
        status.upstream = value
    elif key == "branch.ab":
        ahead, behind = value.split(" ")
        status.ahead, status.behind = int(ahead), -int(behind)


def _file(states: str, path: str) -> dict[str, Any]:
    return {"path": path, "index": states[0], "worktree": states[1]}


def parse_log(output: bytes) -> list[dict[str, Any]]:
    commits = []
    for line in output.decode(errors="replace").split("\0"):
        fields = line.split("\x1f")
        if len(fields) == 6:
            commit, parents, author, email, at, subject = fields
            commits.append(
                {
                    "commit": commit,
                    "parents": parents.split(),
                    "author": author,
                    "email": email,
                    "at": at,
                    "subject": subject,
                }
            )
    return commits


def message_of(text: str) -> bytes:
    """A commit's message as Git reads it. Raises Invalid when it is empty."""
    if not text.strip():
        raise Invalid("a commit needs a message", code=ErrorCode.MESSAGE_EMPTY, field="message")
    if "\0" in text:
        raise Invalid("a message holds no NUL", code=ErrorCode.MESSAGE_UNREADABLE, field="message")
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise Invalid(
            "a message is UTF-8 text",
            code=ErrorCode.MESSAGE_UNREADABLE,
            field="message",
        ) from None
    if len(data) > LONGEST_MESSAGE:
        raise Invalid(
            f"a message has up to {LONGEST_MESSAGE // 1024} KB",
            code=ErrorCode.MESSAGE_TOO_LONG,
            values={"limit": LONGEST_MESSAGE // 1024},
            field="message",
        )
    return data


def paths_of(paths: list[str]) -> list[str]:
    """Paths as they go behind ``--``. Raises Invalid."""
    if len(paths) > MOST_PATHS:
        raise Invalid(
            f"up to {MOST_PATHS} paths at once are possible",
            code=ErrorCode.PATHS_LIMIT,
            values={"limit": MOST_PATHS},
            field="paths",
        )
    return [clean(path) or "." for path in paths]


def commit_id(text: str) -> str:
    """Never a branch, an option or a range. Raises Invalid."""
    if _COMMIT.fullmatch(text) is None:
        raise Invalid(
            "a commit is named by 7 to 40 hexadecimal digits",
            code=ErrorCode.COMMIT_ID_INVALID,
            field="commit",
        )
    return text


class WorkspaceGit:
    """The repository of one app in its user's workspace."""

    def __init__(self, execs: Execs, user_id: int, app_id: int) -> None:
        self._execs = execs
        self._user_id = user_id
        self._folder = f"/workspace/apps/{app_id}"

    async def _git(self, *words: str, stdin: bytes | None = None, limit: int = DIFF_LIMIT) -> Done:
        argv = [*_GIT, "-C", self._folder, *words]
        return await self._execs.run(
            self._user_id, argv, env=ENVIRONMENT, stdin=stdin, limit=limit, seconds=SECONDS
        )

    async def _must(self, *words: str, stdin: bytes | None = None) -> Done:
        """Raises Conflict with what Git said when it did not do it."""
        return _done(await self._git(*words, stdin=stdin))

    async def status(self) -> Status:
        done = await self._git("--no-optional-locks", "status", "--porcelain=v2", "--branch", "-z")
        if done.exit_code == 128:
            said = done.said[-300:]
            raise NotFound(
                "there is no Git repository",
                code=ErrorCode.GIT_NO_REPOSITORY,
                values={"why": said},
                hint=said,
            )
        return parse_status(_done(done).stdout)

    async def diff(self, path: str, *, staged: bool) -> tuple[str, bool]:
        """A patch, and whether it was cut. Against the last commit, or only what is staged."""
        words = ["diff", "--no-color", "--no-ext-diff", "--no-textconv"]
        words.append("--cached" if staged else "HEAD")
        done = await self._git(*words, "--", clean(path) or ".")
        return done.stdout.decode(errors="replace"), done.cut

    async def log(self, limit: int, skip: int) -> list[dict[str, Any]]:
        done = await self._git("log", "-z", f"--format={FIELDS}", f"-{limit}", f"--skip={skip}")
        return parse_log(done.stdout)

    async def commit(self, message: str, paths: list[str] | None, author: Author) -> str:
        """Everything that has changed, or only ``paths``. Raises Conflict when nothing has."""
        text, only = message_of(message), paths_of(paths or [])
        await self._must("add", "--all", "--", *(only or ["."]))
        staged = await self._git("diff", "--cached", "--quiet", "--", *only)
        if staged.exit_code == 0:
            raise Conflict(
                "nothing has changed since the last commit", code=ErrorCode.NOTHING_TO_COMMIT
            )
        words = ["commit", "--quiet", "--file=-", *(["--only"] if only else []), "--", *only]
        await self._as(author, words, text)
        return await self.head()

    async def _as(self, author: Author, words: list[str], stdin: bytes) -> None:
        argv = ["sh", "-c", _AS_SOMEBODY, "git", self._folder, author.name, author.email]
        _done(
            await self._execs.run(
                self._user_id,
                [*argv, *_GIT, "-C", self._folder, *words],
                env=ENVIRONMENT,
                stdin=stdin,
                seconds=SECONDS,
            )
        )

    async def head(self) -> str:
        return (await self._must("rev-parse", "HEAD")).stdout.decode().strip()

    async def push(self) -> dict[str, Any]:
        """The current branch. Never by force. Raises Conflict when the server's has moved."""
        branch = await self._branch()
        done = await self._git(
            "push", "--quiet", "--set-upstream", "origin", f"HEAD:refs/heads/{branch}"
        )
        if done.exit_code:
            if (await self._fetched(branch)).behind:
                raise Conflict(
                    "somebody else has pushed meanwhile",
                    code=ErrorCode.PUSHED_MEANWHILE,
                    hint="pull first",
                )
            said = done.said[-1000:]
            raise Conflict(
                "the push was refused",
                code=ErrorCode.PUSH_REFUSED,
                values={"why": said},
                hint=said,
            )
        return {"branch": branch, "commit": await self.head()}

    async def greeted(self, host: str, port: int) -> int:
        """How the Git server answers to the workspace's key: 0 when it does its part, SSH_FAILED
        when SSH itself failed, something else while it cannot do its part yet."""
        argv = ["ssh", "-T", "-p", str(port), "-o", "BatchMode=yes", f"git@{host}"]
        done = await self._execs.run(self._user_id, argv, seconds=GREETING_SECONDS)
        return done.exit_code

    async def pull(self) -> dict[str, Any]:
        """Fast-forward only. Raises Conflict when both sides have commits of their own."""
        branch = await self._branch()
        before = await self.head()
        status = await self._fetched(branch)
        if status.behind and status.ahead:
            raise Conflict(
                f"both sides have new commits ({status.ahead} here, {status.behind} there)",
                code=ErrorCode.DIVERGED,
                values={"ahead": status.ahead, "behind": status.behind},
                hint="`git rebase` or `git merge` in the terminal",
            )
        if status.behind:
            done = await self._git("merge", "--ff-only", "--quiet", f"refs/remotes/origin/{branch}")
            if done.exit_code:
                said = done.said[-1000:]
                raise Conflict(
                    "files changed here stand in the way",
                    code=ErrorCode.CHANGES_IN_THE_WAY,
                    values={"why": said},
                    hint=said or "commit them",
                )
        after = await self.head()
        return {"branch": branch, "commit": after, "changed": before != after}

    async def restore(self, commit: str, author: Author) -> str:
        """The files as they were at ``commit``, as a new commit; no history is rewritten."""
        wanted = commit_id(commit)
        found = await self._git("rev-parse", "--verify", "--quiet", f"{wanted}^{{commit}}")
        if found.exit_code:
            raise NotFound(
                f"there is no commit {wanted}",
                code=ErrorCode.COMMIT_UNKNOWN,
                values={"commit": wanted},
                field="commit",
            )
        full = found.stdout.decode().strip()
        if any(file["worktree"] != "?" for file in (await self.status()).files):
            raise Conflict(
                "there are changes that no commit holds",
                code=ErrorCode.UNCOMMITTED,
                hint="commit or discard them",
            )
        await self._must("restore", f"--source={full}", "--staged", "--worktree", "--", ".")
        if (await self._git("diff", "--cached", "--quiet")).exit_code == 0:
            raise Conflict("the files are as they were at that commit", code=ErrorCode.COMMIT_SAME)
        await self._as(author, ["commit", "--quiet", "--file=-"], f"Restore {full[:10]}".encode())
        return await self.head()

    async def discard(self, paths: list[str] | None) -> None:
        """Back to the last commit, with what is new deleted; ignored files stay."""
        only = paths_of(paths or []) or ["."]
        tracked = await self._must("ls-files", "-z", "--", *only)
        committed = await self._git("ls-tree", "-z", "--name-only", "HEAD", "--", *only)
        if tracked.stdout or committed.stdout:
            await self._must("restore", "--source=HEAD", "--staged", "--worktree", "--", *only)
        await self._must("clean", "--force", "-d", "--quiet", "--", *only)

    async def _branch(self) -> str:
        done = await self._git("symbolic-ref", "--short", "--quiet", "HEAD")
        if done.exit_code:
            raise Conflict(
                "no branch is checked out",
                code=ErrorCode.NO_BRANCH,
                hint="`git switch main` in the terminal",
            )
        return done.stdout.decode().strip()

    async def _fetched(self, branch: str) -> Status:
        """How the branch and the server's differ, after a fetch."""
        await self._must("fetch", "--quiet", "origin")
        done = await self._git(
            "rev-list", "--left-right", "--count", f"HEAD...refs/remotes/origin/{branch}"
        )
        if done.exit_code:
            return Status(branch=branch)
        ahead, behind = (int(part) for part in done.stdout.split())
        return Status(branch=branch, ahead=ahead, behind=behind)


def _done(done: Done) -> Done:
    if done.exit_code == 124:
        raise Conflict(
            "Git took too long and was ended", code=ErrorCode.GIT_TOO_SLOW, hint="use the terminal"
        )
    if done.exit_code:
        said = done.said[-1000:]
        raise Conflict(
            "Git did not do it", code=ErrorCode.GIT_FAILED, values={"why": said}, hint=said
        )
    return done
