"""Deletions, looked at on the host itself: no container, disk, mount, agent, repository, row is left."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import docker
import httpx
import pytest
from pydantic import SecretStr

from activities.workspace_agent import Agents
from activities.workspace_disk import Disks
from activities.workspace_records import new_key
from tests.support import apps
from tests.support.platform import Platform
from tests.support.things import things_of
from tests.support.user import PASSWORD, User, ok
from tests.support.workspace import OpenApp

SERVER = "require('http').createServer((q, a) => a.end('hi')).listen(3000)\n"


async def deletion_ended(user: User, receipt: str, seconds: float = 60) -> dict[str, Any]:
    found: dict[str, Any] = {}
    headers = {"Authorization": f"Bearer {receipt}"}
    try:
        async with asyncio.timeout(seconds):
            while found.get("status") != "DELETED":
                found = ok(await user.api.get("/api/account-deletion", headers=headers))
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not deleted within {seconds} s: {found}") from None
    return found


async def test_deleting_an_app_and_then_its_owner_leaves_nothing(
    platform: Platform, user: User
) -> None:
    settings = platform.settings
    doomed = await OpenApp.opened(user)
    app = await user.app(apps.hello("live"))
    assert (await app.deployed())["status"] == "SUCCEEDED"
    ok(await doomed.put("package.json", json.dumps({"scripts": {"dev": "node server.js"}})))
    ok(await doomed.put("server.js", SERVER))
    ok(await doomed.post("run", task="dev"))
    both = [doomed.id, app.id]
    before = await things_of(settings, user.id, both)
    assert all(before.values()), before

    # The app: what runs of it ends, and its folder goes, while the workspace stays open.
    ok(await user.api.delete(f"/api/apps/{doomed.id}"), 202)
    refused = await user.api.post("/api/workspace/open", json={"app_id": doomed.id})
    assert refused.status_code in (404, 409), refused.text
    async with asyncio.timeout(30):
        while (await user.api.get(f"/api/apps/{doomed.id}")).status_code != 404:
            await asyncio.sleep(0.1)
    now = ok(await user.api.get("/api/workspace"))
    assert (now["status"], now["app_id"], now["run"]["state"]) == ("RUNNING", None, "STOPPED")
    other = OpenApp(user, app.id)
    ok(await other.post("open"))
    assert await other.shell("ls /workspace/apps; pgrep -f [s]erver.js") == str(app.id)

    # One that goes while the container does not run is owed, until it does.
    late = ok(await user.api.post("/api/apps", json={"name": "late"}), 201)["id"]
    ok(await user.api.post("/api/workspace/open", json={"app_id": late}))
    ok(await user.api.post("/api/workspace/close"))
    ok(await user.api.delete(f"/api/apps/{late}"), 202)
    async with asyncio.timeout(30):
        while (await user.api.get(f"/api/apps/{late}")).status_code != 404:
            await asyncio.sleep(0.1)
    ok(await other.post("open"))

    async with other.terminal() as terminal:
        await terminal.run("cd /workspace && touch kept")
        assert await terminal.run("ls /workspace/apps") == str(app.id)
        wrong = await user.api.request("DELETE", "/api/me", json={"password": "not mine at all"})
        assert wrong.status_code == 403
        begun = ok(await user.api.request("DELETE", "/api/me", json={"password": PASSWORD}), 202)
        assert begun["status"] == "DELETING"
        assert (await user.api.get("/api/me")).status_code == 401
        ended = await deletion_ended(user, begun["receipt"])
    assert ended["left"] == []
    for thing in (
        f"container ws-u-{user.id}",
        f"repository u{user.id}-app{app.id}",
        f"Git user u{user.id} with its keys",
        f"records of user {user.id}",
    ):
        assert thing in ended["gone"]
    left = await things_of(settings, user.id, [*both, late])
    assert not any(left.values()), left
    async with httpx.AsyncClient(trust_env=False) as visitor:
        gone = await visitor.get(app.reached_at, headers={"Host": app.host})
    assert gone.status_code == 404


async def test_what_belongs_to_no_record_is_removed_from_a_workspace_node(
    platform: Platform,
) -> None:
    settings = platform.settings
    node = next(node for node in settings.nodes if node.role == "workspace")
    home = settings.node_home(node.node_id)
    nobody = 2**31 - 1
    labels = {"studio.kind": "workspace", "studio.user": str(nobody), "studio.node": node.node_id}
    engine = docker.DockerClient(base_url=f"unix://{settings.docker_socket}")
    try:
        stray, foreign = (
            engine.containers.create(
                settings.workspace_image, labels=labels | {"studio.platform": of}
            )
            for of in (settings.platform, f"{settings.platform}-other")
        )
        await asyncio.to_thread(Disks(home, 64).ensure, nobody, "")
        key = SecretStr(new_key()[0])
        await asyncio.to_thread(Agents(home).ensure, nobody, key)
        left: dict[str, list[str]] = {}
        try:
            async with asyncio.timeout(60):
                while any((left := await things_of(settings, nobody, [])).values()):
                    await asyncio.sleep(0.5)
        except TimeoutError:
            raise AssertionError(f"still there: {left}") from None
        with pytest.raises(docker.errors.NotFound):
            stray.reload()
        foreign.reload()
        foreign.remove()
    finally:
        engine.close()
