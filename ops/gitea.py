"""The Git server, by its REST API. Every call may be repeated: "already there" and "gone" are success.

Repositories belong to one organisation (``Settings.git_owner``). Each person of the platform has a
Git user ``u{userId}`` that can do nothing but reach, over SSH with its own keys, the repositories
that it was made a collaborator of.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict

from ops.error_codes import ErrorCode
from ops.errors import Conflict, Invalid, NodeUnavailable, PlatformError
from ops.gitea_commits import Commit, Comparison
from ops.settings import Settings, read_secret

DEFAULT_BRANCH = "main"
TIMEOUT = httpx.Timeout(15.0, connect=3.0)
AUTHOR = {"name": "Fun AI Studio", "email": "studio@noreply.invalid"}


class Repository(BaseModel):
    """What is used of a repository's description."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    empty: bool
    default_branch: str = DEFAULT_BRANCH


def git_user(user_id: int) -> str:
    return f"u{user_id}"


def ssh_url(settings: Settings, repository: str) -> str:
    """Where people clone from and push to, with their own key."""
    return (
        f"ssh://git@{settings.git_ssh_host}:{settings.ports.gitea_ssh}"
        f"/{settings.git_owner}/{repository}.git"
    )


def workspace_url(settings: Settings, repository: str) -> str:
    """Where a workspace clones from and pushes to, with its user's platform key."""
    return (
        f"ssh://git@{settings.service_address}:{settings.ports.gitea_ssh}"
        f"/{settings.git_owner}/{repository}.git"
    )


def http_url(settings: Settings, repository: str) -> str:
    """Where the platform's own hosts clone from, with a token in a header."""
    return f"{settings.gitea_url}/{settings.git_owner}/{repository}.git"


class Gitea:
    """A client with the administrator's token. ``async with Gitea.connect(settings) as gitea``."""

    def __init__(self, client: httpx.AsyncClient, owner: str) -> None:
        self._client = client
        self._owner = owner

    @classmethod
    def connect(cls, settings: Settings) -> Gitea:
        token = read_secret(settings, "gitea-admin-token").get_secret_value()
        client = httpx.AsyncClient(
            base_url=f"{settings.gitea_url}/api/v1/",
            headers={"Authorization": f"token {token}"},
            timeout=TIMEOUT,
            trust_env=False,
        )
        return cls(client, settings.git_owner)

    async def __aenter__(self) -> Gitea:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()

    # --- people and their keys ---------------------------------------------------------------

    async def ensure_user(self, user_id: int) -> str:
        """The Git user of a person. Its password is random and known to nobody."""
        name = git_user(user_id)
        answer = await self._call("GET", f"users/{name}", accept=(200, 404))
        if answer.status_code == 404:
            await self._call(
                "POST",
                "admin/users",
                json={
                    "username": name,
                    "email": f"{name}@users.noreply.invalid",
                    "password": secrets.token_urlsafe(32),
                    "must_change_password": False,
                    "restricted": True,
                    "visibility": "private",
                },
                # 422: somebody made it between the two calls; the next call fails if not so.
                accept=(201, 422),
            )
            await self._call(
                "PATCH",
                f"admin/users/{name}",
                json={
                    "login_name": name,
                    "source_id": 0,
                    "max_repo_creation": 0,
                    "allow_create_organization": False,
                },
                accept=(200,),
            )
        return name

    async def add_key(self, user_id: int, title: str, public_key: str) -> int:
        """The Git server's id of the key.

        Raises Conflict when any account has this key already, Invalid when it is refused.
        """
        name = await self.ensure_user(user_id)
        answer = await self._call(
            "POST",
            f"admin/users/{name}/keys",
            json={"title": title, "key": public_key, "read_only": False},
            accept=(201, 422),
        )
        if answer.status_code == 201:
            return int(answer.json()["id"])
        known = await self.find_key(user_id, public_key)
        if known is not None:
            return known
        message = str(answer.json().get("message", ""))
        if "already" in message.lower() or "been used" in message.lower():
            raise Conflict(
                "this SSH key belongs to another account",
                code=ErrorCode.SSH_KEY_TAKEN,
                hint="add a key of your own",
            )
        raise Invalid(
            "the Git server refused this SSH key",
            code=ErrorCode.SSH_KEY_REFUSED,
            values={"why": message[:200]},
            hint=message[:200],
            field="public_key",
        )

    async def find_key(self, user_id: int, public_key: str) -> int | None:
        """The Git server's id of a key that the person has there already."""
        wanted = public_key.split()[1]
        path = f"users/{git_user(user_id)}/keys"
        answer = await self._call("GET", path, params={"limit": "50"}, accept=(200, 404))
        for key in answer.json() if answer.status_code == 200 else []:
            if key["key"].split()[1] == wanted:
                return int(key["id"])
        return None

    async def delete_key(self, user_id: int, key_id: int) -> None:
        path = f"admin/users/{git_user(user_id)}/keys/{key_id}"
        await self._call("DELETE", path, accept=(204, 404))

    async def delete_user(self, user_id: int) -> None:
        """The Git user with its keys and memberships; repositories are never its own."""
        path = f"admin/users/{git_user(user_id)}"
        await self._call("DELETE", path, params={"purge": "true"}, accept=(204, 404))

    # --- repositories ------------------------------------------------------------------------

    async def ensure_repository(self, name: str) -> Repository:
        """A private repository of the platform's organisation, without a commit when it is new."""
        made = await self._call(
            "POST",
            f"orgs/{quote(self._owner, safe='')}/repos",
            json={
                "name": name,
                "private": True,
                "auto_init": False,
                "default_branch": DEFAULT_BRANCH,
            },
            accept=(201, 409),
        )
        if made.status_code == 201:
            return Repository.model_validate(made.json())
        answer = await self._call("GET", self._path(name), accept=(200,))
        return Repository.model_validate(answer.json())

    async def allow(self, name: str, user_id: int) -> None:
        """Lets a person push to the repository."""
        await self._call(
            "PUT",
            f"{self._path(name)}/collaborators/{git_user(user_id)}",
            json={"permission": "write"},
            accept=(204,),
        )

    async def first_commit(self, name: str, files: Mapping[str, bytes], message: str) -> None:
        """Commits ``files`` to a repository that has no commit; one that has some stays as it is."""
        repository = await self.ensure_repository(name)
        if not repository.empty or not files:
            return
        await self._call(
            "POST",
            f"{self._path(name)}/contents",
            json={
                "branch": DEFAULT_BRANCH,
                "message": message,
                "author": AUTHOR,
                "committer": AUTHOR,
                "files": [
                    {
                        "operation": "create",
                        "path": path,
                        "content": base64.b64encode(content).decode(),
                    }
                    for path, content in sorted(files.items())
                ],
            },
            accept=(201,),
        )

    async def resolve(self, name: str, ref: str) -> str | None:
        """The commit that a branch, a tag or a commit names; None when there is none."""
        found = await self.commit(name, ref)
        return found.sha if found else None

    async def commit(self, name: str, ref: str) -> Commit | None:
        """The same with its author and subject."""
        answer = await self._call(
            "GET",
            f"{self._path(name)}/git/commits/{quote(ref, safe='')}",
            params={"stat": "false", "verification": "false", "files": "false"},
            accept=(200, 404, 409, 422),
        )
        return Commit.of(answer.json()) if answer.status_code == 200 else None

    async def compare(self, name: str, before: str, after: str) -> Comparison | None:
        """The commits of ``after`` that ``before`` has not; None when one of them is not there."""
        answer = await self._call(
            "GET",
            f"{self._path(name)}/compare/{quote(before, safe='')}...{quote(after, safe='')}",
            accept=(200, 404, 422),
        )
        return Comparison.of(answer.json()) if answer.status_code == 200 else None

    async def delete_repository(self, name: str) -> None:
        await self._call("DELETE", self._path(name), accept=(204, 404))

    def _path(self, name: str) -> str:
        return f"repos/{quote(self._owner, safe='')}/{quote(name, safe='')}"

    async def _call(
        self,
        method: str,
        path: str,
        *,
        accept: tuple[int, ...],
        json: Any = None,
        params: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Raises NodeUnavailable when the server is away, PlatformError on any other status."""
        try:
            answer = await self._client.request(method, path, json=json, params=params)
        except httpx.TransportError as error:
            raise NodeUnavailable(
                "the Git server does not answer",
                code=ErrorCode.GIT_AWAY,
                hint="try again in a minute",
            ) from error
        if answer.status_code not in accept:
            if answer.status_code in (502, 503, 504):
                raise NodeUnavailable(
                    "the Git server is starting",
                    code=ErrorCode.GIT_AWAY,
                    hint="try again in a minute",
                )
            raise PlatformError(
                f"the Git server answered {answer.status_code} to {method} {path}",
                hint=answer.text[:300],
            )
        return answer
