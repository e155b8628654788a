"""Two hosts for workspaces, and previews below paths of one name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from temporalio.client import Client

from activities.workspace_exec import Execs
from ops.temporal import connect
from tests.support.nodes import status, until
from tests.support.platform import Platform
from tests.support.preview import PAGE, entered, hot_reload, visitor
from tests.support.user import User, ok
from tests.support.workspace import OpenApp, run_is

SECOND = "workspace-87-2"
NODES = {"workspace-87", SECOND}
MOST_USERS = 12
"""Users of tests before this one may still be on the first host."""
AT_ONCE = 3.0


async def node_of(user: User) -> str:
    return str(ok(await user.api.get("/api/workspace"))["node"])


@pytest_asyncio.fixture(scope="module")
async def opened(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[OpenApp]]:
    """New users until each host has one: a plain page on the first, hot reload on the second."""
    client = await connect(platform.settings)
    for node in NODES:
        await until(lambda node=node: is_up(client, node), 20, f"{node} is up")  # type: ignore[misc]
    async with AsyncExitStack() as stack:
        found: dict[str, OpenApp] = {}
        wanted: set[int] = set()
        while found.keys() != NODES:
            assert len(wanted) < MOST_USERS, f"all of them are on {found.keys()}"
            home = tmp_path_factory.mktemp("home")
            user = await stack.enter_async_context(User.registered(platform.settings, home))
            wanted.add(user.id)
            app = await OpenApp.opened(user, "static")
            found.setdefault(await node_of(user), app)
        apps = [found["workspace-87"], await OpenApp.opened(found[SECOND].user, "vite-react")]
        for app in apps:
            ok(await app.post("run", task="dev"))
        for app in apps:
            await run_is(app.user, "RUNNING", seconds=90)
        yield apps
    await gone(platform, wanted)


async def gone(platform: Platform, users: set[int]) -> None:
    """Their containers go before the host that they are on is taken away."""
    execs = Execs(platform.settings)

    async def none_left() -> bool:
        nodes = [platform.settings.node(node) for node in NODES]
        there = [user for node in nodes for user in (await execs.addresses(node)).values()]
        return not users & set(there)

    await until(none_left, 60, "the users' containers are gone")


async def is_up(client: Client, node: str) -> bool:
    return await status(client, node) == "UP"


async def test_users_are_spread_and_stay_where_they_are(opened: list[OpenApp]) -> None:
    for app, node in zip(opened, ("workspace-87", SECOND), strict=True):
        run = ok(await app.user.api.get("/api/workspace/run"))
        ok(await app.user.api.post("/api/workspace/close"))
        ok(await app.post("open"))
        assert await node_of(app.user) == node
        ok(await app.post("run", task="dev"))
        assert (await run_is(app.user, "RUNNING"))["run_id"] == run["run_id"] + 1
    # Slots are numbered on each host: it is the user who tells which is meant.
    plain, react = [
        (await app.user.api.get(f"/ws/{app.user.id}/", headers=PAGE)).text for app in opened
    ]
    assert "/@vite/client" in react
    assert "/@vite/client" not in plain


async def test_a_host_runs_no_more_than_it_may(
    platform: Platform, opened: list[OpenApp], tmp_path: Path
) -> None:
    """On each of the two hosts one server runs, which is the most in this shape."""
    async with User.registered(platform.settings, tmp_path) as user:
        app = await OpenApp.opened(user, "static")
        node = await node_of(user)
        refused = await app.post("run", task="dev")
        assert refused.status_code == 503, refused.text
        told = refused.json()
        assert (node in told["detail"], "the most" in told["detail"]) == (True, True)
        assert "try again when one of them has ended" in told["hint"]
        # It is refused, and nothing else: the workspace is open, and the other's server answers.
        assert ok(await user.api.get("/api/workspace"))["status"] == "RUNNING"
        assert ok(await user.api.get("/api/workspace/run"))["state"] in (
            "DEAD",
            "FAILED",
            "STOPPED",
        )
        (other,) = [one for one in opened if await node_of(one.user) == node]
        assert_ok(await other.user.api.get(f"/ws/{other.user.id}/"))
        ok(await other.user.api.delete("/api/workspace/run"))
        ok(await app.post("run", task="dev"))
        await run_is(user, "RUNNING")
        assert (await other.post("run", task="dev")).status_code == 503
        ok(await user.api.delete("/api/workspace/run"))
        ok(await other.post("run", task="dev"))
        await run_is(other.user, "RUNNING", seconds=90)
    await gone(platform, {user.id})


async def test_hot_reload_passes_below_a_path(opened: list[OpenApp]) -> None:
    app = opened[1]
    base = f"/ws/{app.user.id}/"
    async with visitor(app.user) as browser:
        await entered(app.user, browser)
        assert f'src="{base}@vite/client"' in (await browser.get("")).text
        page = await app.text("src/App.jsx")
        assert "Clicked" in (await browser.get("src/App.jsx")).text
        async with hot_reload(app.user, browser, Cookie=browser.headers["Cookie"]) as hot:
            ok(await app.put("src/App.jsx", page.replace("It works", "Changed")))
            update = await hot.update_of("/src/App.jsx")
            seen = await browser.get("src/App.jsx", params={"t": update["timestamp"]})
            assert "Changed" in seen.text
    made = ok(await app.post("share-links"), 201)
    async with visitor(app.user) as browser:
        assert (await browser.get("")).status_code == 401
        await entered(app.user, browser, url=made["url"])
        assert "/@vite/client" in (await browser.get("")).text


async def test_a_node_that_is_down_says_so_and_its_users_come_back(
    platform: Platform, opened: list[OpenApp]
) -> None:
    client = await connect(platform.settings)
    other, app = opened
    lost = SECOND
    before = ok(await app.user.api.get("/api/workspace"))
    ok(await app.put("kept.txt", "mine"))
    gateway = f"nginx-{lost}"
    for program in (lost, gateway):
        await asyncio.to_thread(platform.kill_for_good, program)
    try:
        await until(lambda: is_down(client, lost), 30, f"{lost} is DOWN")
        assert ok(await app.user.api.get("/api/workspace"))["status"] == "NODE_DOWN"
        begun = time.monotonic()
        for answer in (await app.post("open"), await app.post("run", task="dev")):
            assert (answer.status_code, lost in answer.text) == (503, True)
        assert (await app.get("files/content", path="kept.txt")).status_code == 503
        page = await app.user.api.get(f"/ws/{app.user.id}/", headers=PAGE)
        assert (page.status_code, "The host does not answer" in page.text) == (503, True)
        assert time.monotonic() - begun < AT_ONCE
        assert_ok(await other.user.api.get(f"/ws/{other.user.id}/"))
        ok(await other.post("open"))
    finally:
        for program in (lost, gateway):
            await asyncio.to_thread(platform.start, program)
    await until(lambda: is_up(client, lost), 20, f"{lost} is UP again")
    assert await app.text("kept.txt") == "mine"
    after = ok(await app.post("open"))
    assert (after["status"], after["node"]) == ("RUNNING", lost)
    assert after["run"]["run_id"] == before["run"]["run_id"]
    await run_is(app.user, "RUNNING")

    async def is_seen() -> bool:
        return (await app.user.api.get(f"/ws/{app.user.id}/")).status_code == 200

    await until(is_seen, 10, "the gateway is back, too")


def assert_ok(answer: httpx.Response) -> None:
    assert answer.status_code == 200, answer.text


async def is_down(client: Client, node: str) -> bool:
    return await status(client, node) == "DOWN"
