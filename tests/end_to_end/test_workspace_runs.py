"""Runs: a server that answers, one that dies, one that never ends, and a worker that does."""

from __future__ import annotations

import asyncio
import json
import time

import httpx

from ops.temporal import connect
from tests.support.platform import Platform
from tests.support.secrets_seen import histories
from tests.support.user import User, ok
from tests.support.workspace import OpenApp, run_is
from workflows import ids

SERVER = (
    "require('http').createServer((q, a) => q.url === '/die' ? process.exit(9)"
    " : a.end(process.env.GREETING || 'hi'))"
    ".listen(3000, () => console.log('up'))\n"
)


async def server(user: User, dev: str = "node server.js") -> OpenApp:
    app = await OpenApp.opened(user)
    ok(await app.put("package.json", json.dumps({"scripts": {"dev": dev, "build": "exit 5"}})))
    ok(await app.put("server.js", SERVER))
    return app


async def test_a_server_that_dies_is_told_at_once(user: User) -> None:
    app = await server(user)
    secret = "a greeting that only the app is told"
    variables = {"variables": [{"key": "GREETING", "value": secret}]}
    ok(await user.api.put(f"/api/apps/{app.id}/env", json=variables))
    ok(await app.post("run", task="dev"))
    await run_is(user, "RUNNING")
    assert await app.shell("curl -s localhost:3000/") == secret
    assert await app.shell("grep -lz 'only the app' /proc/[0-9]*/cmdline; echo none") == "none"
    client = await connect(user.settings)
    query = f"WorkflowId = '{ids.workspace_workflow(user.id)}'"
    told = [history async for _, history in histories(client, query)]
    assert [(b"start_run" in history, secret.encode() in history) for history in told] == [
        (True, False)
    ]
    begun = time.monotonic()
    await app.shell("curl -s localhost:3000/die")
    dead = await run_is(user, "DEAD", seconds=5)
    assert time.monotonic() - begun < 3
    assert dead["exit_code"] == 9
    assert "up" in dead["log_tail"]


async def test_stop_leaves_nothing_and_a_build_may_fail(user: User) -> None:
    app = await server(user, "(setsid sh -c 'trap \"\" TERM; sleep 1000' &); node server.js")
    ok(await app.post("run", task="dev"))
    await run_is(user, "RUNNING")
    assert await app.shell("pgrep -fc 'sleep 1000'") != "0"
    ok(await user.api.delete("/api/workspace/run"))
    assert await app.shell("pgrep -f '[s]leep 1000'; pgrep -f '[s]erver.js'; echo none") == "none"
    ok(await app.post("run", task="build"))
    failed = await run_is(user, "FAILED")
    assert failed["exit_code"] == 5


async def test_the_log_comes_as_it_grows_and_is_resumed(user: User) -> None:
    app = await server(user, "for i in 1 2 3 4 5; do echo line-$i; sleep 0.3; done")
    ok(await app.post("run", task="dev"))
    lines: list[str] = []
    last = ""
    for _ in range(10):
        headers = {"Last-Event-ID": last} if last else {}
        ended = False
        async with user.api.stream("GET", "/api/workspace/run/log", headers=headers) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("id: "):
                    last = line[4:]
                elif line.startswith("data: ") and "lines" in line:
                    lines += json.loads(line[6:])["lines"]
                    break  # and come again
                elif line.startswith("event: end"):
                    ended = True
        if ended:
            break
    assert [x for x in lines if x.startswith("line-")] == [f"line-{n}" for n in range(1, 6)]


async def test_it_runs_only_once_its_port_answers(user: User) -> None:
    app = await server(user)
    ok(await app.put("server.js", f"setTimeout(() => {{ {SERVER} }}, 3000)\n"))
    ok(await app.post("run", task="dev"))
    states: dict[str, float] = {}
    async with asyncio.timeout(30):
        while "RUNNING" not in states:
            state = ok(await user.api.get("/api/workspace/run"))["state"]
            states.setdefault(state, time.monotonic())
            await asyncio.sleep(0.05)
    assert await app.shell("curl -s localhost:3000/") == "hi"
    assert list(states) == ["STARTING", "RUNNING"]
    assert states["RUNNING"] - states["STARTING"] > 2


async def test_the_last_five_logs_of_each_task_are_kept(user: User) -> None:
    app = await server(user)
    ok(await app.put("package.json", json.dumps({"scripts": {"dev": "pwd", "build": "date +%N"}})))
    ok(await app.post("run", task="dev"))
    await run_is(user, "DEAD", "FAILED")
    for _ in range(7):
        ok(await app.post("run", task="build"))
        await run_is(user, "SUCCEEDED")
    last = ok(await user.api.get("/api/workspace/run"))["run_id"]
    statuses = [(await log_of(user, run_id)).status_code for run_id in range(1, last + 1)]
    assert statuses == [200, 404, 404, 200, 200, 200, 200, 200]
    assert f"/workspace/apps/{app.id}" in (await log_of(user, 1)).text
    kept = [(await log_of(user, run_id)).text for run_id in range(4, last + 1)]
    assert len(set(kept)) == len(kept), "each is its own"
    assert (await log_of(user, last + 1)).status_code == 404


async def log_of(user: User, run_id: int) -> httpx.Response:
    return await user.api.get("/api/workspace/run/log", params={"run_id": run_id})


async def test_a_worker_that_is_killed_finds_the_run_again(user: User, platform: Platform) -> None:
    app = await server(user)
    ok(await app.post("run", task="dev"))
    await run_is(user, "RUNNING")
    before = await app.shell("pgrep -f '[n]ode server.js'")
    platform.kill("workspace-87")
    async with asyncio.timeout(60):
        while (await app.get("files/tree")).status_code != 200:
            await asyncio.sleep(0.2)
    assert ok(await user.api.get("/api/workspace/run"))["state"] == "RUNNING"
    assert await app.shell("pgrep -f '[n]ode server.js'") == before
    await app.shell("curl -s localhost:3000/die")
    assert (await run_is(user, "DEAD", seconds=40))["exit_code"] == 9
