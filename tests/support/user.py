"""A user of the platform, as tests play one: over HTTP and with git, as from a laptop."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ops.settings import Settings

PASSWORD = "correct horse battery staple"
ENDED = {"SUCCEEDED", "FAILED", "CANCELLED", "ROLLED_BACK"}


class User:
    """Signed in by token; ``api`` is a client whose base is the studio's public entry."""

    def __init__(
        self, settings: Settings, home: Path, api: httpx.AsyncClient, user_id: int
    ) -> None:
        self.settings = settings
        self.home = home
        self.api = api
        self.id = user_id

    @classmethod
    @asynccontextmanager
    async def registered(cls, settings: Settings, home: Path) -> AsyncIterator[User]:
        """A new user, who has registered, signed in and added an SSH key."""
        email = f"u{secrets.token_hex(6)}@tests.example"
        async with httpx.AsyncClient(
            base_url=settings.entry_url,
            headers={"Host": settings.studio_url.partition("//")[2]},
            timeout=30,
            trust_env=False,
        ) as api:
            given = {"email": email, "password": PASSWORD}
            made = ok(await api.post("/api/auth/register", json=given), 201)
            token = ok(await api.post("/api/auth/login", json=given))["token"]
            api.cookies.clear()
            api.headers["Authorization"] = f"Bearer {token}"
            user = cls(settings, home, api, made["id"])
            await user._add_key()
            yield user
            await user._delete()

    async def _add_key(self) -> None:
        key = self.home / "id"
        await run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        ok(
            await self.api.post(
                "/api/ssh-keys",
                json={"title": "laptop", "public_key": key.with_suffix(".pub").read_text()},
            ),
            201,
        )

    async def _delete(self) -> None:
        """What a test made is removed with it; how a deletion ends is a test of its own."""
        gone = await self.api.request("DELETE", "/api/me", json={"password": PASSWORD})
        assert gone.status_code in (202, 401), gone.text

    @asynccontextmanager
    async def elsewhere(self) -> AsyncIterator[int]:
        """Within it the user is signed in by a token of its own, whose id this is."""
        made = ok(await self.api.post("/api/auth/tokens", json={"name": "elsewhere"}), 201)
        own = self.api.headers["Authorization"]
        self.api.headers["Authorization"] = f"Bearer {made['token']}"
        try:
            yield made["id"]
        finally:
            self.api.headers["Authorization"] = own

    async def signs_out(self, token_id: int) -> None:
        ok(await self.api.delete(f"/api/auth/tokens/{token_id}"), 204)

    async def _delete_apps(self) -> None:
        for app in ok(await self.api.get("/api/apps")):
            await self.api.delete(f"/api/apps/{app['id']}")

    async def no_apps(self, seconds: float = 60) -> None:
        """Deletes all apps, and waits until nothing of them is left."""
        await self._delete_apps()
        left: list[Any] = []
        try:
            async with asyncio.timeout(seconds):
                while left := ok(await self.api.get("/api/apps")):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"not deleted within {seconds} s: {left}") from None

    async def app(self, files: dict[str, str | bytes], name: str = "shop") -> App:
        """A new app with these files pushed to its repository."""
        made = ok(await self.api.post("/api/apps", json={"name": name}), 201)
        app = App(self, made)
        await app.push(files)
        return app

    def git_environment(self) -> dict[str, str]:
        ssh = (
            f"ssh -i {self.home / 'id'} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no"
            " -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        )
        name = {"NAME": "Ada", "EMAIL": "ada@tests.example"}
        who = {
            f"GIT_{role}_{key}": v for role in ("AUTHOR", "COMMITTER") for key, v in name.items()
        }
        return os.environ | who | {"GIT_SSH_COMMAND": ssh, "GIT_CONFIG_GLOBAL": os.devnull}


class App:
    """One app of a user."""

    def __init__(self, user: User, made: dict[str, Any]) -> None:
        self.user = user
        self.id: int = made["id"]
        self.slug: str = made["slug"]
        self.url: str = made["url"]
        self.repo_ssh_url: str = made["repo_ssh_url"]
        self.tree = user.home / f"app-{self.id}"

    @property
    def api(self) -> httpx.AsyncClient:
        return self.user.api

    async def git(self, *words: str) -> str:
        return await run("git", "-C", str(self.tree), *words, env=self.user.git_environment())

    async def push(self, files: dict[str, str | bytes], message: str = "change") -> str:
        """Write files, commit and push them; answers the commit."""
        if not self.tree.exists():
            self.tree.mkdir()
            await self.git("init", "-q", "-b", "main")
            await self.git("remote", "add", "origin", self.repo_ssh_url)
            if await self.git("ls-remote", "--heads", "origin", "main"):
                await self.git("pull", "-q", "origin", "main")
        for name, content in files.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        await self.git("add", "-A")
        await self.git("commit", "-q", "--allow-empty", "-m", message)
        await self.git("push", "-q", "origin", "HEAD:main")
        return (await self.git("rev-parse", "HEAD")).strip()

    async def ask(self, what: str, **body: Any) -> httpx.Response:
        """POST to one of the app's actions: deployments, rollback, start, stop."""
        return await self.api.post(f"/api/apps/{self.id}/{what}", json=body)

    async def deploy(self, **body: Any) -> int:
        answer: int = ok(await self.ask("deployments", **body), 202)["id"]
        return answer

    async def deployed(self, **body: Any) -> dict[str, Any]:
        """Deploy and wait until it has ended."""
        return await self.ended(await self.deploy(**body))

    async def live(self) -> dict[str, Any]:
        """The deployment whose release is live."""
        live = ok(await self.api.get(f"/api/apps/{self.id}"))["live_deployment"]
        assert live, f"app {self.id} has no live release"
        return await self.deployment(live)

    async def deployment(self, deployment_id: int) -> dict[str, Any]:
        found: dict[str, Any] = ok(await self.api.get(f"/api/deployments/{deployment_id}"))
        return found

    async def ended(self, deployment_id: int, seconds: float = 120) -> dict[str, Any]:
        return await self.until(deployment_id, lambda d: d["status"] in ENDED, seconds)

    async def until(
        self, deployment_id: int, holds: Any, seconds: float = 120, *, every: float = 0.1
    ) -> dict[str, Any]:
        """Wait until a deployment is as ``holds`` says; on time-out the failure shows it."""
        latest: dict[str, Any] = {}
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        latest = await self.deployment(deployment_id)
                    except (httpx.TransportError, AssertionError):
                        latest = latest or {}
                    else:
                        if holds(latest):
                            return latest
                    await asyncio.sleep(every)
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s; last seen: {latest}") from None

    async def at_stage(
        self, deployment_id: int, stage: str, seconds: float = 60, *, every: float = 0.1
    ) -> dict[str, Any]:
        """Until a stage runs (or has already passed)."""
        return await self.until(
            deployment_id,
            lambda d: d["status"] in ENDED or any(s["name"] == stage for s in d["stages"]),
            seconds,
            every=every,
        )

    async def log(self, deployment_id: int) -> str:
        response = await self.api.get(f"/api/deployments/{deployment_id}/log")
        assert response.status_code == 200, response.text
        return response.text

    async def get(self, path: str = "/", **headers: str) -> httpx.Response:
        """GET the app's public URL, as a visitor without any credentials."""
        async with httpx.AsyncClient(timeout=10, trust_env=False) as visitor:
            return await visitor.get(
                self.reached_at + path.removeprefix("/"), headers={"Host": self.host, **headers}
            )

    @property
    def host(self) -> str:
        """The name in its public URL."""
        return httpx.URL(self.url).netloc.decode()

    @property
    def reached_at(self) -> str:
        """Its public URL with the address of the entry in place of its name."""
        return self.user.settings.entry_url + httpx.URL(self.url).path


@dataclass
class Traffic:
    """What busy clients saw: how many answers, which failed, and what was answered."""

    answers: int
    failures: list[str]
    bodies: list[str]


@asynccontextmanager
async def busy_clients(app: App, clients: int = 8) -> AsyncIterator[Traffic]:
    """Visitors who keep asking the app's public URL while the body runs."""
    traffic = Traffic(0, [], [])
    stop = asyncio.Event()

    async def visit() -> None:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as visitor:
            while not stop.is_set():
                try:
                    answer = await visitor.get(app.reached_at, headers={"Host": app.host})
                except httpx.HTTPError as error:
                    traffic.failures.append(repr(error))
                    continue
                traffic.answers += 1
                if answer.status_code != 200:
                    traffic.failures.append(f"{answer.status_code} {answer.text[:80]}")
                elif not traffic.bodies or traffic.bodies[-1] != answer.text:
                    traffic.bodies.append(answer.text)
                await asyncio.sleep(0.005)

    tasks = [asyncio.create_task(visit()) for _ in range(clients)]
    try:
        yield traffic
    finally:
        stop.set()
        await asyncio.gather(*tasks)


def ok(response: httpx.Response, status: int = 200) -> Any:
    """The answer's JSON; a failure shows what the API said."""
    assert response.status_code == status, f"{response.status_code}: {response.text}"
    return response.json() if response.content else None


async def run(*words: str, env: dict[str, str] | None = None) -> str:
    """Run a program; its output on success, its error on failure."""
    process = await asyncio.create_subprocess_exec(
        *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    )
    out, err = await process.communicate()
    assert process.returncode == 0, f"{words}: {err.decode()}"
    return out.decode()
