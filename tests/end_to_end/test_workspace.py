"""A workspace over HTTP: opened, run, previewed, closed; and its parts killed meanwhile."""

from __future__ import annotations

import asyncio
import subprocess
from typing import Any

import httpx
import pytest

from tests.support.platform import Platform
from tests.support.preview import entered, visitor
from tests.support.user import User, ok
from tests.support.workspace import OpenApp

PAGE = {"Accept": "text/html"}
ECHO = """
import http from "node:http"
http.createServer((request, response) => {
  response.setHeader("Set-Cookie", "own=1")
  response.end(JSON.stringify({ url: request.url, headers: request.headers }))
}).listen(process.env.PORT)
"""


async def run_of(user: User, state: str, seconds: float = 60) -> dict[str, Any]:
    """The latest run, once it is as ``state`` says."""
    found: dict[str, Any] = {}
    try:
        async with asyncio.timeout(seconds):
            while True:
                answer = await user.api.get("/api/workspace/run")
                found = answer.json() if answer.status_code == 200 else found
                if found.get("state") == state:
                    return found
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not {state} within {seconds} s; last seen: {found}") from None


async def serving(user: User) -> OpenApp:
    """An app that answers with what it was asked, being developed."""
    app = await OpenApp.opened(user)
    ok(await app.put("package.json", '{"type": "module", "scripts": {"dev": "node echo.js"}}'))
    ok(await app.put("echo.js", ECHO))
    assert ok(await app.post("run", task="dev"))["state"] in ("STARTING", "RUNNING")
    await run_of(user, "RUNNING")
    return app


def containers(platform: Platform, user: User) -> list[str]:
    name = f"{platform.settings.name_prefix}ws-u-{user.id}"
    found = subprocess.run(
        [
            *("docker", "-H", f"unix://{platform.settings.docker_socket}", "ps", "-a"),
            *("--filter", f"name=^{name}$", "--format", "{{.Names}} {{.State}}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.split("\n")[:-1]


async def test_open_run_stop_close(platform: Platform, user: User) -> None:
    assert ok(await user.api.get("/api/workspace"))["status"] == "STOPPED"
    app = await serving(user)
    state = ok(await user.api.get("/api/workspace"))
    assert (state["status"], state["app_id"]) == ("RUNNING", app.id)
    assert ok(await user.api.get(f"/ws/{user.id}/a?b=c"))["url"] == "/a?b=c"
    stopped = ok(await user.api.delete("/api/workspace/run"))
    assert stopped["state"] == "STOPPED"
    idle = await user.api.get(f"/ws/{user.id}/")
    assert idle.status_code == 503
    assert "studio run dev" in idle.text
    assert ok(await user.api.post("/api/workspace/close"))["status"] == "STOPPED"
    assert [c for c in containers(platform, user) if c.endswith("running")] == []
    opened = ok(await app.post("open"))
    assert opened["status"] == "RUNNING"
    assert await app.text("echo.js") == ECHO


async def test_ten_openings_at_once_make_one_container(platform: Platform, user: User) -> None:
    made = ok(await user.api.post("/api/apps", json={"name": "w"}), 201)
    answers = await asyncio.gather(
        *(user.api.post("/api/workspace/open", json={"app_id": made["id"]}) for _ in range(10))
    )
    assert {ok(answer)["status"] for answer in answers} == {"RUNNING"}
    assert len(containers(platform, user)) == 1


async def test_a_run_beside_another_is_refused(user: User) -> None:
    app = await serving(user)
    again = ok(await app.post("run", task="dev"))
    assert again["run_id"] == 1
    refused = await app.post("run", task="install")
    assert refused.status_code == 409
    assert "stop it first" in refused.json()["hint"]
    # Also of another app, which its owner knows by its name.
    other = ok(await user.api.post("/api/apps", json={"name": "other"}), 201)
    beside = await OpenApp(user, other["id"]).post("run", task="dev")
    assert beside.json()["values"] == {"task": "dev", "app": "w"}


async def test_an_app_with_nothing_to_run_says_so_also_later(user: User) -> None:
    app = await OpenApp.opened(user)
    refused = await app.post("run", task="dev")
    assert refused.json()["code"] == "run_nothing"
    kept = await run_of(user, "DEAD")
    assert kept["report"]["code"] == "run_nothing"
    assert "index.html" in kept["report"]["hint"]
    log = await user.api.get("/api/workspace/run/log")
    assert (log.status_code, log.json()["code"]) == (404, "run_log_gone")


async def test_a_dev_server_that_dies_says_its_last_lines(user: User) -> None:
    app = await OpenApp.opened(user)
    script = "setTimeout(() => { console.log('last words'); process.exit(3) }, 1500)"
    ok(await app.put("package.json", '{"scripts": {"dev": "node x.js"}}'))
    ok(await app.put("x.js", f"require('http').createServer().listen(3000); {script}"))
    ok(await app.post("run", task="dev"))
    dead = await run_of(user, "DEAD")
    assert dead["exit_code"] == 3
    assert any("last words" in line for line in dead["log_tail"])


async def test_a_preview_is_its_owners(user: User, stranger: User) -> None:
    await serving(user)
    assert (await stranger.api.get(f"/ws/{user.id}/")).status_code == 401
    async with visitor(user) as browser:
        assert (await browser.get("/")).status_code == 401
        page = await browser.get("/deep?x=1", headers=PAGE)
        assert page.headers["location"] == f"{user.settings.studio_url}/ws/{user.id}/deep?x=1"
        await entered(user, browser)
        assert ok(await browser.get("/a"))["url"] == "/a"
        stolen = browser.headers["Cookie"]
    async with visitor(stranger) as other:
        other.headers["Cookie"] = stolen
        assert (await other.get("/")).status_code == 401


async def test_what_opens_doors_never_reaches_the_app(user: User) -> None:
    await serving(user)
    async with visitor(user) as browser:
        await entered(user, browser)
        browser.headers["Cookie"] += "; studio_session=SECRET; mine=1"
        seen = ok(await browser.get("/", headers={"X-Studio-Slot": "99"}))["headers"]
    assert seen["cookie"] == "mine=1"
    assert seen["host"] == browser.headers["Host"]
    own = await user.api.get(f"/ws/{user.id}/")
    token = user.api.headers["Authorization"].split()[1]
    assert token not in own.text
    assert "set-cookie" not in own.headers
    assert ok(own)["headers"]["x-forwarded-prefix"] == f"/ws/{user.id}"


async def test_a_ticket_is_good_once_and_leads_into_the_preview(user: User) -> None:
    url = httpx.URL(ok(await user.api.post("/api/workspace/preview-ticket"))["url"])
    path = url.raw_path.decode()
    async with visitor(user) as browser:
        answers = await asyncio.gather(*(browser.get(path) for _ in range(5)))
        assert sorted(answer.status_code for answer in answers) == [303, 403, 403, 403, 403]
        away = await user.api.get(f"/ws/{user.id}//evil.example", headers=PAGE)
        into = await browser.get(httpx.URL(away.headers["location"]).raw_path.decode())
        assert into.headers["location"] == "/"


async def test_a_preview_ends_with_the_token_that_opened_it(user: User) -> None:
    await serving(user)
    made = ok(await user.api.post("/api/auth/tokens", json={"name": "other"}), 201)
    async with visitor(user) as browser:
        await entered(user, browser, {"Authorization": f"Bearer {made['token']}"})
        assert (await browser.get("/")).status_code == 200
        assert (await user.api.delete(f"/api/auth/tokens/{made['id']}")).status_code == 204
        await asyncio.sleep(6)
        assert (await browser.get("/")).status_code == 401


async def test_a_closed_workspace_opens_when_its_owner_looks(user: User) -> None:
    await serving(user)
    async with visitor(user) as browser:
        await entered(user, browser)
        ok(await user.api.post("/api/workspace/close"))
        await asyncio.sleep(5.5)
        assert (await browser.get("/")).status_code == 503
        assert ok(await user.api.get("/api/workspace"))["status"] == "STOPPED"
        page = await browser.get("/", headers=PAGE)
        assert page.status_code == 503
        assert 'http-equiv="refresh"' in page.text
        async with asyncio.timeout(20):
            while ok(await user.api.get("/api/workspace"))["status"] != "RUNNING":
                await asyncio.sleep(0.2)


async def test_another_ones_app_cannot_be_opened_nor_one_that_is_deleted(
    user: User, stranger: User
) -> None:
    theirs = ok(await stranger.api.post("/api/apps", json={"name": "w"}), 201)["id"]
    for path in ("open", "run"):
        answer = await user.api.post(f"/api/workspace/{path}", json={"app_id": theirs})
        assert answer.status_code == 404
    mine = ok(await user.api.post("/api/apps", json={"name": "w"}), 201)["id"]
    await user.api.delete(f"/api/apps/{mine}")
    gone = await user.api.post("/api/workspace/open", json={"app_id": mine})
    assert gone.status_code in (404, 409)


@pytest.mark.parametrize("program", ["workspace-87", "control", "temporal"])
async def test_a_kill_while_it_opens_and_runs(platform: Platform, user: User, program: str) -> None:
    app = await OpenApp.opened(user, "express-api")
    ok(await app.post("close"))
    opening = asyncio.create_task(app.post("open"))
    await asyncio.sleep(0.1)
    platform.kill(program)
    answer = await opening
    async with asyncio.timeout(60):
        while answer.status_code != 200 or answer.json()["status"] != "RUNNING":
            await asyncio.sleep(1)
            answer = await app.post("open")
    ok(await app.post("run", task="dev"))
    run = await run_of(user, "RUNNING")
    platform.kill(program)
    for _ in range(20):
        assert (await user.api.get(f"/ws/{user.id}/")).status_code == 200
        await asyncio.sleep(0.2)
    await run_of(user, "RUNNING")
    assert (await run_of(user, "RUNNING"))["run_id"] == run["run_id"]
    assert len(containers(platform, user)) == 1
    async with asyncio.timeout(60):
        while (await user.api.delete("/api/workspace/run")).status_code != 200:
            await asyncio.sleep(1)
    await run_of(user, "STOPPED")
