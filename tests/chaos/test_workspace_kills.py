"""``kill -9`` in the middle of opening, running, installing and pushing: what was asked for is reached.

One workspace for all: after each strike its one container, its dev server and its files are there.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import docker
import httpx
import pytest
import pytest_asyncio

from ops.stack.alone import left_behind
from ops.stack.programs import server_user
from tests.support.nodes import until
from tests.support.platform import Platform
from tests.support.user import User, ok
from tests.support.workspace import OpenApp, run_is

SERVER = "require('http').createServer((q, a) => a.end('hi')).listen(3000)\n"
PACKAGE = {"scripts": {"dev": "node server.js", "preinstall": "sleep 2"}}
KEPT = "not committed, and not to be lost"
REACHED_SECONDS = 90
Ask = Callable[[], Coroutine[Any, Any, httpx.Response]]
BIG = 6 * 1024 * 1024
PROGRAMS = ("api", "control", "temporal", "workspace-87", "nginx")


@pytest_asyncio.fixture(scope="module")
async def app(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OpenApp]:
    home = tmp_path_factory.mktemp("kills")
    async with User.registered(platform.settings, home) as user:
        app = await OpenApp.opened(user)
        ok(await app.put("package.json", json.dumps(PACKAGE)))
        ok(await app.put("server.js", SERVER))
        ok(await app.put("kept.txt", KEPT))
        yield app


async def patiently(ask: Ask) -> Any:
    """As a person does it: what was cut off or refused for now is asked again."""
    last = ""
    try:
        async with asyncio.timeout(REACHED_SECONDS):
            while True:
                try:
                    answer = await ask()
                except httpx.TransportError as error:
                    last = repr(error)
                else:
                    if answer.status_code < 400:
                        return answer.json()
                    last = answer.text
                    assert answer.status_code in (502, 503, 504), last
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"not within {REACHED_SECONDS} s: {last}") from None


async def state(app: OpenApp) -> dict[str, Any]:
    found: dict[str, Any] = await patiently(lambda: app.user.api.get("/api/workspace"))
    return found


async def struck(platform: Platform, program: str, ask: Ask) -> Any:
    """``program`` is killed while it is being asked; the answer that comes in the end."""
    asking = asyncio.create_task(ask())
    await asyncio.sleep(0.05)
    pid = platform.kill(program)
    await asyncio.wait([asking])
    asking.exception()

    async def back() -> bool:
        return platform.pid(program) not in (0, pid)

    await until(back, 30, f"{program} is brought back")
    return await patiently(ask)


async def nothing_is_lost(app: OpenApp) -> None:
    async def text() -> httpx.Response:
        return await app.get("files/content", path="kept.txt")

    assert (await patiently(text))["content"] == KEPT
    assert containers(app) == 1


def containers(app: OpenApp) -> int:
    settings = app.user.settings
    engine = docker.DockerClient(base_url=f"unix://{settings.docker_socket}")
    try:
        labels = [f"studio.platform={settings.platform}", f"studio.user={app.user.id}"]
        found = engine.containers.list(filters={"label": [*labels, "studio.kind=workspace"]})
    finally:
        engine.close()
    return len(found)


async def serving(app: OpenApp) -> str:
    """The dev server's processes; it is started where it does not run."""
    await patiently(lambda: app.post("run", task="dev"))
    await run_is(app.user, "RUNNING")
    return await app.inside("pgrep -f '[n]ode server.js'")


@pytest.mark.parametrize("program", PROGRAMS)
async def test_an_opening_is_carried_through(
    platform: Platform, app: OpenApp, program: str
) -> None:
    await patiently(lambda: app.post("close"))
    await struck(platform, program, lambda: app.post("open"))

    async def is_open() -> bool:
        found = await state(app)
        return (found["status"], found["app_id"]) == ("RUNNING", app.id)

    await until(is_open, REACHED_SECONDS, "it is open")
    await nothing_is_lost(app)

    async def none_left() -> bool:
        return not await asyncio.to_thread(left_behind, "nginx", server_user(platform.settings))

    await until(none_left, 30, "no child of a killed nginx is left")


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_start_is_carried_through(platform: Platform, app: OpenApp, program: str) -> None:
    once = await serving(app)
    await patiently(lambda: app.user.api.delete("/api/workspace/run"))
    assert await app.inside("pgrep -f '[n]ode server.js'") == ""
    before = (await state(app))["run"]["run_id"]
    asked = await struck(platform, program, lambda: app.post("run", task="dev"))
    assert asked["run_id"] == before + 1
    assert (await run_is(app.user, "RUNNING"))["run_id"] == before + 1
    again = await app.inside("pgrep -f '[n]ode server.js'")
    assert len(again.split()) == len(once.split()), "it is started once"
    await nothing_is_lost(app)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_an_install_ends_as_it_would_have(
    platform: Platform, app: OpenApp, program: str
) -> None:
    await patiently(lambda: app.user.api.delete("/api/workspace/run"))
    before = (await state(app))["run"]["run_id"] or 0
    await patiently(lambda: app.post("run", task="install"))
    await app.inside("while ! pgrep -x sleep; do sleep 0.05; done")
    pid = platform.kill(program)

    async def back() -> bool:
        return platform.pid(program) not in (0, pid)

    await until(back, 30, f"{program} is brought back")

    async def ended() -> bool:
        run = (await state(app))["run"]
        assert run["state"] in ("RUNNING", "SUCCEEDED"), run
        return bool(run["state"] == "SUCCEEDED")

    await until(ended, REACHED_SECONDS, "it has ended")
    assert (await state(app))["run"]["run_id"] == before + 1
    await nothing_is_lost(app)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_push_arrives_and_the_dev_server_goes_on(
    platform: Platform, app: OpenApp, program: str
) -> None:
    pid = await serving(app)
    await app.inside(f"head -c {BIG} /dev/urandom > /workspace/apps/{app.id}/big.bin")
    committed = await patiently(lambda: app.post("git/commit", message=program, paths=["big.bin"]))
    await struck(platform, program, lambda: app.post("git/push"))
    head = await app.user.api.get("/api/workspace/git/log", params={"app_id": app.id})
    assert ok(head)["commits"][0]["commit"] == committed["commit"]
    remote = await app.inside(f"git -C /workspace/apps/{app.id} ls-remote --heads origin | cut -f1")
    assert committed["commit"] in remote.split()
    assert await app.inside("pgrep -f '[n]ode server.js'") == pid
    await nothing_is_lost(app)


async def test_a_git_server_that_is_away_or_starts_is_said(
    platform: Platform, app: OpenApp
) -> None:
    ok(await app.post("git/commit", message="to be pushed"))
    await asyncio.to_thread(platform.stop, "gitea")
    told = set()
    try:
        try:
            for what in ("git/push", "git/pull"):
                told.add(refused(await app.post(what)))
        finally:
            starting = asyncio.create_task(asyncio.to_thread(platform.start, "gitea"))
        async with asyncio.timeout(60):
            while (answer := await app.post("git/push")).status_code != 200:
                told.add(refused(answer))
    finally:
        await starting
    assert "the Git server does not answer" in told


def refused(answer: httpx.Response) -> str:
    """Never as if it were the commits' own fault."""
    assert answer.status_code == 503, answer.text
    said = answer.json()
    assert "kept" in said["hint"]
    assert "Git server" in said["detail"]
    return str(said["detail"])


async def test_two_clients_do_not_fight(app: OpenApp) -> None:
    """Both open, run and write at once: each is answered, and both see the same in the end."""
    pid = await serving(app)
    answers = await asyncio.gather(
        *(app.post("open") for _ in range(2)),
        *(app.post("run", task="dev") for _ in range(2)),
        *(app.put("same.txt", text, etag="") for text in ("mine", "yours")),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 200, 412]
    assert await app.text("same.txt") in ("mine", "yours")
    assert await app.inside("pgrep -f '[n]ode server.js'") == pid
    await nothing_is_lost(app)
