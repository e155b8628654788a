"""What a workspace reaches, what it may use up, and whose it is."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from typing import Any

import docker
import pytest_asyncio

from ops.names import CODE_PORT, app_repository, workspace_container
from ops.settings import Settings
from tests.end_to_end.test_isolation import (
    ELSEWHERE,
    METADATA,
    answered,
    host_addresses,
    platform_ports,
)
from tests.support.platform import Platform
from tests.support.prober import LOOK, Target, connects
from tests.support.user import User, ok
from tests.support.workspace import OpenApp, run_is

SCAN = (
    LOOK
    + """
const targets = JSON.parse(require("fs").readFileSync("targets.json"));
Promise.all(targets.map(look)).then((seen) => console.log("SEEN" + JSON.stringify(seen)));
"""
)
WATCH = """
import ctypes, os, sys, tempfile
libc = ctypes.CDLL(None, use_errno=True)
where = tempfile.mkdtemp()
files = [os.path.join(where, str(number)).encode() for number in range(int(sys.argv[2]))]
for file in files:
    open(file, "w").close()
held = 0
while held < int(sys.argv[1]):
    folder = libc.inotify_init1(0)
    for file in files:
        if libc.inotify_add_watch(folder, file, 2) < 0:
            sys.exit("no more: " + os.strerror(ctypes.get_errno()))
        held += 1
print("held", held, flush=True)
sys.stdin.readline()
"""
USUALLY_ALL = 1_048_576
"""Watches of files that one user of a machine usually may have, however much memory there is."""
LISTEN = 'node -e \'require("http").createServer((q,r)=>r.end("theirs")).listen(3000)\' & true'


def container(settings: Settings, user_id: int) -> dict[str, Any]:
    """The engine's description of a user's container."""
    engine = docker.DockerClient(base_url=f"unix://{settings.docker_socket}")
    try:
        name = settings.name_prefix + workspace_container(user_id)
        found: dict[str, Any] = engine.containers.get(name).attrs
        return found
    finally:
        engine.close()


def address(settings: Settings, user_id: int) -> str:
    (network,) = container(settings, user_id)["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


@pytest_asyncio.fixture
async def here(user: User) -> AsyncIterator[OpenApp]:
    yield await OpenApp.opened(user)
    await user.api.post("/api/workspace/close")


@pytest_asyncio.fixture
async def theirs(stranger: User) -> AsyncIterator[OpenApp]:
    yield await OpenApp.opened(stranger)
    await stranger.api.post("/api/workspace/close")


async def look(app: OpenApp, targets: set[Target]) -> dict[Target, str]:
    ok(await app.put("look.js", SCAN))
    ok(await app.put("targets.json", json.dumps(sorted(targets))))
    said = await app.shell(f"cd /workspace/apps/{app.id} && node look.js")
    return {(host, port): what for host, port, what in json.loads(said.rpartition("SEEN")[2])}


async def test_a_workspace_reaches_packages_and_git_and_nothing_else_of_the_platform(
    platform: Platform, here: OpenApp, theirs: OpenApp
) -> None:
    settings = platform.settings
    service = str(settings.service_address)
    other = address(settings, theirs.user.id)
    async with theirs.terminal() as terminal:
        await terminal.run(LISTEN)
        await terminal.run("sleep 1")
        ok(await theirs.post("code"))
        hosts = host_addresses(socket.AF_INET) - {"127.0.0.1"}
        targets: set[Target] = {
            (host, port) for host in hosts for port in platform_ports(platform) | set(ELSEWHERE)
        }
        targets |= {(metadata, 80) for metadata in METADATA} | {(other, 3000), (other, CODE_PORT)}
        # They are there: seen from the host itself they answer.
        for target in ((other, 3000), (other, CODE_PORT), (service, settings.ports.deploy_control)):
            assert await connects(target)
        seen = await look(here, targets)
    packages, git = (service, settings.ports.verdaccio), (service, settings.ports.gitea_ssh)
    assert answered(seen) == {packages, git}
    assert {seen[packages], seen[git]} == {"connected"}


async def test_a_package_that_scans_and_publishes_when_it_is_installed(
    platform: Platform, here: OpenApp
) -> None:
    """Its script is no more than its owner is: packages are read, nothing else is reached."""
    settings = platform.settings
    service = str(settings.service_address)
    targets = sorted((service, port) for port in platform_ports(platform))
    evil = f"/workspace/apps/{here.id}/evil"
    script = {"install": "node scan.js > $INIT_CWD/seen; npm publish > $INIT_CWD/published 2>&1"}
    ok(await here.put("evil/package.json", manifest("evil", scripts=script)))
    ok(await here.put("evil/scan.js", SCAN))
    ok(await here.put("evil/targets.json", json.dumps(targets)))
    await here.shell(f"cd {evil} && npm pack --pack-destination .. && rm -r {evil}")
    ok(await here.put("package.json", manifest("x", dependencies={"evil": "file:evil-1.0.0.tgz"})))
    ok(await here.post("run", task="install"))
    ended = await run_is(here.user, "FAILED", "SUCCEEDED", seconds=60)
    assert ended["state"] == "FAILED", ended
    found = json.loads((await here.text("seen")).rpartition("SEEN")[2])
    seen = {(host, port): what for host, port, what in found}
    assert len(seen) == len(targets)
    assert answered(seen) == {
        (service, settings.ports.verdaccio),
        (service, settings.ports.gitea_ssh),
    }
    assert "npm error" in await here.text("published")


def manifest(name: str, **more: Any) -> str:
    return json.dumps({"name": name, "version": "1.0.0"} | more)


def test_a_workspace_runs_without_rights_and_under_limits(
    platform: Platform, here: OpenApp
) -> None:
    settings = platform.settings
    found = container(settings, here.user.id)
    host = found["HostConfig"]
    assert found["Config"]["User"] == "1000:1000"
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Memory"] == host["MemorySwap"] == settings.workspace_memory_mb * 1024 * 1024
    assert host["PidsLimit"] == settings.workspace_pids
    assert host["NanoCpus"] == int(settings.workspace_cpus * 1e9)
    assert {mount["Destination"]: mount["RW"] for mount in found["Mounts"]} == {
        "/workspace": True,
        "/run/studio": False,
        "/etc/studio": False,
        "/opt/studio/code-server": False,
    }
    assert not any(found["NetworkSettings"]["Ports"].values())


async def test_the_key_can_be_used_and_not_read(here: OpenApp, theirs: OpenApp) -> None:
    async with here.terminal() as terminal:
        shell = terminal.run
        assert "ED25519" in await shell("ssh-add -l")
        everywhere = "/workspace/.home /run/studio /etc/studio /tmp"
        assert "PRIVATE" not in await shell(f"grep -rsl 'OPENSSH PRIVATE' {everywhere}; env")
        for path in ("/run/studio/x", "/run/studio/agent.sock", "/etc/studio/npmrc"):
            assert "cannot" in await shell(f"rm -f {path} && touch {path}")
        await shell(f"cd /workspace/apps/{here.id}")
        await shell("echo x > x && git add x && git commit -qm x && git push")
        head = await shell("git rev-parse HEAD")
        assert head in await shell("git ls-remote --heads origin")
        url = await shell("git remote get-url origin")
        foreign = app_repository(theirs.user.id, theirs.id)
        refused = await shell(f"git ls-remote {url.rpartition('/')[0]}/{foreign}.git; echo $?")
        assert refused.splitlines()[-1] == "128"


async def test_a_full_disk_is_the_users_own_and_can_be_cleared(
    platform: Platform, here: OpenApp, theirs: OpenApp
) -> None:
    size = platform.settings.workspace_disk_mb
    said = await here.shell(f"dd if=/dev/zero of=/workspace/big bs=1M count={size} 2>&1")
    assert "No space left on device" in said
    await here.shell("cat /dev/zero > /workspace/rest")
    refused = await here.put("note.txt", "x" * 100_000)
    assert refused.status_code == 507, refused.text
    assert "disk" in refused.json()["detail"]
    ok(await theirs.put("note.txt", "fine"))
    await here.shell("rm /workspace/big /workspace/rest")
    ok(await here.put("note.txt", "x" * 100_000))


async def test_a_fork_bomb_ends_at_its_own_limit(here: OpenApp, theirs: OpenApp) -> None:
    async with here.terminal() as terminal:
        await terminal.send("bomb() { bomb | bomb & }; bomb\r")
        await terminal.until("Resource temporarily unavailable")
        assert (await theirs.shell("echo all is well")).endswith("all is well")
    ok(await here.user.api.post("/api/workspace/close"))
    ok(await here.user.api.post("/api/workspace/open", json={"app_id": here.id}))
    assert (await here.shell("echo well again")).endswith("well again")


async def test_watching_files_is_nothing_that_one_can_use_up_for_all(
    here: OpenApp, theirs: OpenApp
) -> None:
    for app in (here, theirs):
        ok(await app.put("watch.py", WATCH))
    async with here.terminal() as greedy:
        await greedy.send(f"python3 watch.py {USUALLY_ALL + 50_000} 20000\r")
        await greedy.until("held 11", seconds=60)
        assert "held 1000" in await theirs.shell("python3 watch.py 1000 1000 < /dev/null")
        assert "held 1000" in await here.shell("python3 watch.py 1000 1000 < /dev/null")


async def test_nothing_is_lost_when_the_container_is_made_anew(
    platform: Platform, here: OpenApp
) -> None:
    ok(await here.put("mine.txt", "kept"))
    await here.shell("echo set > /workspace/.home/.own")
    before = container(platform.settings, here.user.id)["Id"]
    ok(await here.user.api.post("/api/workspace/close"))
    engine = docker.DockerClient(base_url=f"unix://{platform.settings.docker_socket}")
    engine.containers.get(before).remove(force=True)
    engine.close()
    ok(await here.user.api.post("/api/workspace/open", json={"app_id": here.id}))
    assert container(platform.settings, here.user.id)["Id"] != before
    assert await here.text("mine.txt") == "kept"
    assert await here.shell("cat ~/.own") == "set"


async def test_a_killed_agent_comes_back_by_itself(platform: Platform, here: OpenApp) -> None:
    home = platform.settings.node_home("workspace-87") / "agents"
    pid = int((home / f"u-{here.user.id}.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    # In one terminal: each that is left counts for a minute, and there may be only so many.
    again = (
        "for n in $(seq 30); do ssh-add -l > /dev/null 2>&1 && break; sleep 0.5; done; ssh-add -l"
    )
    assert "ED25519" in await here.shell(again)
