"""The Docker engine of a host for workspaces is killed and started again, under one that is used."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import docker
import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from ops.temporal import connect
from tests.support.nodes import status, until
from tests.support.own_engine import OwnEngine
from tests.support.platform import Platform
from tests.support.user import User, ok
from tests.support.workspace import OpenApp, run_is

NODE = "workspace-87-2"
SERVER = "require('http').createServer((q, a) => a.end('hi')).listen(3000)\n"
KEPT = "not committed, and not to be lost"
MOST_USERS = 4
"""One who comes first may be placed on the other host."""
BACK_SECONDS = 40


@pytest_asyncio.fixture
async def engine(platform: Platform) -> AsyncIterator[OwnEngine]:
    client = await connect(platform.settings)
    with OwnEngine.running(platform.settings) as engine, engine.serves(platform, NODE):

        async def is_up() -> bool:
            return await status(client, NODE) == "UP"

        await until(is_up, 30, f"{NODE} is up")
        yield engine


@pytest_asyncio.fixture
async def app(
    platform: Platform, engine: OwnEngine, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OpenApp]:
    """Open on the host with the engine of its own."""
    async with AsyncExitStack() as stack:
        for _ in range(MOST_USERS):
            home = tmp_path_factory.mktemp("home")
            user = await stack.enter_async_context(User.registered(platform.settings, home))
            app = await OpenApp.opened(user)
            if ok(await user.api.get("/api/workspace"))["node"] == NODE:
                break
        else:
            pytest.fail(f"nobody was placed on {NODE}")
        ok(await app.put("package.json", json.dumps({"scripts": {"dev": "node server.js"}})))
        ok(await app.put("server.js", SERVER))
        ok(await app.put("kept.txt", KEPT))
        yield app

    async def gone() -> bool:
        return not containers(engine)

    await until(gone, 60, "its container is gone")


def containers(engine: OwnEngine) -> list[str]:
    client = docker.DockerClient(base_url=f"unix://{engine.socket}")
    try:
        return [str(one.status) for one in client.containers.list(all=True)]
    finally:
        client.close()


async def shell(app: OpenApp, command: str) -> str:
    """As soon as there is a terminal."""
    last = ""
    try:
        async with asyncio.timeout(BACK_SECONDS):
            while True:
                try:
                    return await app.shell(command)
                except InvalidStatus as refused:
                    if refused.response.status_code not in (409, 503):
                        raise
                    last = (refused.response.body or b"").decode()
                    await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"no terminal: {last}") from None


async def state(app: OpenApp) -> tuple[str, int]:
    """How the workspace is, and which app is open in it."""
    found = ok(await app.user.api.get("/api/workspace"))
    return found["status"], found["app_id"]


async def is_whole(app: OpenApp, engine: OwnEngine) -> None:
    assert await state(app) == ("RUNNING", app.id)
    assert await app.text("kept.txt") == KEPT
    assert containers(engine) == ["running"]


async def test_an_open_workspace_outlives_its_engine(app: OpenApp, engine: OwnEngine) -> None:
    ok(await app.post("run", task="dev"))
    first = await run_is(app.user, "RUNNING")
    pid = await app.shell("pgrep -f '[n]ode server.js'")

    # While there is no engine: files are there, what needs it says so, nothing is called what it is not.
    engine.kill()
    assert await app.text("kept.txt") == KEPT
    with pytest.raises(InvalidStatus) as refused:
        await app.shell("true")
    assert refused.value.response.status_code == 503
    assert "engine" in json.loads(refused.value.response.body or b"{}")["detail"]
    opening = asyncio.create_task(app.post("open"))
    await asyncio.sleep(1)
    if opening.done():
        # Its host has said so already.
        assert opening.result().status_code == 503, opening.result().text

    # An engine that lets its containers go on: what ran never noticed.
    await asyncio.to_thread(engine.start, live_restore=True)
    assert (await opening).status_code in (200, 503), (await opening).text

    async def is_open() -> bool:
        return (await app.post("open")).status_code == 200 and await state(app) == (
            "RUNNING",
            app.id,
        )

    await until(is_open, BACK_SECONDS, "it is open")
    assert await shell(app, "pgrep -f '[n]ode server.js'") == pid
    assert (await run_is(app.user, "RUNNING"))["run_id"] == first["run_id"]
    await is_whole(app, engine)

    # One that ends them: the dev server is brought back.
    engine.kill()
    engine.start(live_restore=False)

    async def is_back() -> bool:
        run = ok(await app.user.api.get("/api/workspace/run"))
        return (run["state"], run["run_id"]) == ("RUNNING", first["run_id"] + 1)

    await until(is_back, BACK_SECONDS, "the dev server is back")
    assert await shell(app, "curl -s localhost:3000") == "hi"
    await is_whole(app, engine)

    # Where nothing ran there is a workspace again, also before anybody opens it.
    ok(await app.user.api.delete("/api/workspace/run"))
    engine.kill()
    engine.start(live_restore=False)
    assert await shell(app, "cat kept.txt") == KEPT
    assert ok(await app.post("open"))["status"] == "RUNNING"
    await is_whole(app, engine)
