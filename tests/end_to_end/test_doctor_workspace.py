"""The doctor's hops of one user's workspace, each made red by what a person would run into."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import docker
import httpx
import pytest

from ops.admin_api import AdminApi
from ops.names import workspace_container
from tests.support.platform import Platform
from tests.support.user import User, ok
from tests.support.workspace import OpenApp, run_is

GOES_DEAF = (
    "const s = require('http').createServer((q, a) => {"
    " a.end('hi'); if (q.url === '/deaf') { s.close(); s.closeAllConnections() } });"
    " s.listen(3000); setInterval(() => {}, 1000)\n"
)
Look = Callable[[int], tuple[dict[str, str], set[str]]]


@pytest.fixture
def look(platform: Platform) -> Look:
    """The red hops of a blank preview, with their reasons, and those that were not looked at."""
    api = AdminApi(platform.settings).api

    def ask(user_id: int) -> tuple[dict[str, str], set[str]]:
        asked: dict[str, str | int] = {"symptom": "preview-blank", "user_id": user_id}
        answer = api.get("/api/admin/doctor", params=asked, timeout=60)
        assert answer.status_code == 200, answer.text
        hops = answer.json()["hops"]
        assert all(hop["next_step"] for hop in hops if hop["status"] == "failed")
        return (
            {hop["key"]: hop["reason"] for hop in hops if hop["status"] == "failed"},
            {hop["key"] for hop in hops if hop["status"] == "skipped"},
        )

    return ask


async def is_red(look: Look, user: User, key: str, why: str, skipped: set[str]) -> None:
    red, left_out = await asyncio.to_thread(look, user.id)
    assert set(red) == {key}
    assert why in red[key]
    assert left_out == skipped


async def test_each_hop_of_a_workspace_is_red_for_its_own_reason(
    platform: Platform, user: User, look: Look
) -> None:
    behind = {"workspace-container", "run", "preview"}
    await is_red(look, user, "workspace", "never opened", behind)
    app = await OpenApp.opened(user)
    await is_red(look, user, "run", "nothing was started", {"preview"})

    ok(await app.put("package.json", json.dumps({"scripts": {"dev": "node server.js"}})))
    ok(await app.put("server.js", GOES_DEAF))
    ok(await app.post("run", task="dev"))
    await run_is(user, "RUNNING")
    assert await asyncio.to_thread(look, user.id) == ({}, set())

    assert await app.shell("curl -s localhost:3000/deaf") == "hi"
    await is_red(look, user, "preview", "nothing listens on port 3000", set())

    engine = docker.DockerClient(base_url=f"unix://{platform.settings.docker_socket}")
    container = engine.containers.get(platform.settings.name_prefix + workspace_container(user.id))
    container.pause()
    try:
        await is_red(look, user, "workspace-container", "paused", {"preview"})
    finally:
        container.unpause()
        engine.close()

    ok(await app.post("close"))
    await is_red(look, user, "workspace", "STOPPED", behind)


async def test_a_user_who_is_not_there_is_said(platform: Platform) -> None:
    def ask() -> httpx.Response:
        asked: dict[str, str | int] = {"symptom": "preview-blank", "user_id": 999_999_999}
        return AdminApi(platform.settings).api.get("/api/admin/doctor", params=asked, timeout=60)

    answer = await asyncio.to_thread(ask)
    assert answer.status_code == 404, answer.text
