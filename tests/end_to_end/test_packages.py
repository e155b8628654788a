"""Packages come from the platform's own cache, which nobody can write to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import pytest
import pytest_asyncio

from ops.stack.programs import server_user
from ops.stack.shell import run as command
from tests.support.apps import node_app
from tests.support.platform import Platform
from tests.support.user import User, ok
from tests.support.workspace import OpenApp

MANIFEST = json.dumps({"name": "x", "version": "1.0.0", "dependencies": {"is-even": "1.0.0"}})


@pytest_asyncio.fixture
async def here(user: User) -> AsyncIterator[OpenApp]:
    yield await OpenApp.opened(user)
    await user.api.post("/api/workspace/close")


@pytest_asyncio.fixture
async def theirs(stranger: User) -> AsyncIterator[OpenApp]:
    yield await OpenApp.opened(stranger)
    await stranger.api.post("/api/workspace/close")


@contextmanager
def upstream_cut_off(platform: Platform) -> Iterator[None]:
    """No server of the platform reaches anything outside of this machine."""
    rule = ["OUTPUT", "-m", "owner", "--uid-owner", server_user(platform.settings)]
    rule += ["!", "-o", "lo", "-m", "conntrack", "--ctstate", "NEW", "-j", "REJECT"]
    command(["iptables", "-w", "-I", *rule])
    try:
        yield
    finally:
        command(["iptables", "-w", "-D", *rule])


async def install(app: OpenApp, how: str) -> str:
    return await app.shell(f"cd /workspace/apps/{app.id} && npm {how} 2>&1; echo ended $?")


async def test_the_second_install_asks_nobody_outside(
    platform: Platform, here: OpenApp, theirs: OpenApp
) -> None:
    ok(await here.put("package.json", MANIFEST))
    assert "ended 0" in await install(here, "install")
    lock = await here.text("package-lock.json")
    assert "resolved" not in lock
    assert str(platform.settings.service_address) not in lock
    ok(await theirs.put("package.json", MANIFEST))
    ok(await theirs.put("package-lock.json", lock))
    platform.kill("verdaccio")
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(100):
            try:
                await client.get(f"{platform.settings.packages_url}-/ping")
                break
            except httpx.TransportError:
                pass
    with upstream_cut_off(platform):
        assert "ended 0" in await install(theirs, "ci")
        assert "ended 0" not in await install(theirs, "install left-pad@1.3.0")


@pytest.mark.parametrize(
    "attack",
    [
        "npm publish",
        "curl -sf -X PUT -H 'Content-Type: application/json' -d"
        ' \'{{"name":"ann","password":"secret-12345"}}\' {registry}-/user/org.couchdb.user:ann',
        "curl -sf -X PUT -H 'Content-Type: application/json' -d '{{}}' {registry}is-even",
        "curl -sf -X DELETE {registry}is-even/-rev/1",
        "curl -sf {registry}-/web/",
        "curl -sf -X PUT -d '\"1.0.0\"' -H 'Content-Type: application/json'"
        " {registry}-/package/is-even/dist-tags/evil",
    ],
)
async def test_nobody_writes_to_the_cache(platform: Platform, here: OpenApp, attack: str) -> None:
    ok(await here.put("package.json", MANIFEST.replace('"x"', '"not-there-yet-x"')))
    asked = attack.format(registry=platform.settings.packages_url)
    said = await here.shell(f"cd /workspace/apps/{here.id} && {asked}; echo ended $?")
    assert "ended 0" not in said


async def test_builds_use_the_cache_too(platform: Platform, user: User) -> None:
    app = await user.app(node_app("process.exit(0)") | {"package.json": MANIFEST}, name="cached")
    shown = "FROM node:24-bookworm-slim\nRUN npm config get registry && exit 9\n"
    await app.push({"Dockerfile": shown})
    ended = await app.deployed()
    assert platform.settings.packages_url in await app.log(ended["id"])


async def test_the_development_database_is_inside_and_kept(user: User) -> None:
    ok(await user.api.patch("/api/workspace", json={"dev_mongo": True}))
    here = await OpenApp.opened(user, "notes")
    root = f"cd /workspace/apps/{here.id}"
    assert "added" in await here.shell(f"{root} && npm install 2>&1")
    script = (
        'const {MongoClient}=require("mongodb");(async()=>{'
        "const c=await MongoClient.connect(process.env.MONGODB_URI);"
        'const n=c.db().collection("n");'
        'await n.insertOne({a:1});console.log("count",await n.countDocuments());process.exit()})()'
    )
    assert "count 1" in await here.shell(f"{root} && node -e '{script}'")
    ok(await user.api.post("/api/workspace/close"))
    ok(await user.api.post("/api/workspace/open", json={"app_id": here.id}))
    assert "count 2" in await here.shell(f"{root} && sleep 1 && node -e '{script}'")
    ok(await user.api.post("/api/workspace/close"))
