"""Sources and build steps that are too much for a machine: refused or held, and others unharmed."""

from __future__ import annotations

import json
from pathlib import Path

from ops.stack.network import CGROUP, build_cgroup
from tests.support import apps
from tests.support.nodes import until
from tests.support.platform import Platform
from tests.support.prober import Probe
from tests.support.user import User, busy_clients

MEGABYTE = 1024 * 1024
BASE = "FROM node:24-bookworm-slim\n"


def build_processes(platform: Platform) -> int:
    """How many processes all builds together have just now, in cgroup v1 or v2."""
    name = build_cgroup(platform.settings).lstrip("/")
    for group in (CGROUP / "pids" / name, CGROUP / name):
        if (group / "pids.current").is_file():
            return int((group / "pids.current").read_text())
    raise AssertionError(f"builds have no limit of processes: {name}")


async def test_a_file_of_300_mb_is_refused(user: User, platform: Platform) -> None:
    app = await user.app(apps.hello())
    with (app.tree / "video.bin").open("wb") as file:
        file.truncate(300 * MEGABYTE)
    await app.push({})
    ended = await app.deployed()
    assert ended["status"] == "FAILED"
    assert ended["error"]["stage"] == "clone"
    assert ended["error"]["what"] == "video.bin is larger than 100 MB"
    assert ended["error"]["hint"]
    assert not (platform.settings.node_home("runner-101") / "builds" / str(ended["id"])).exists()


async def test_a_submodule_is_explained(user: User) -> None:
    app = await user.app(
        apps.hello()
        | {".gitmodules": '[submodule "lib"]\n\tpath = lib\n\turl = file:///etc/passwd\n'}
    )
    head = (await app.git("rev-parse", "HEAD")).strip()
    await app.git("update-index", "--add", "--cacheinfo", f"160000,{head},lib")
    await app.git("commit", "-q", "-m", "a submodule")
    await app.git("push", "-q", "origin", "HEAD:main")
    ended = await app.deployed()
    assert ended["status"] == "FAILED"
    assert ended["error"]["stage"] == "clone"
    assert "lib is a submodule" in ended["error"]["what"]
    assert ended["error"]["hint"]


async def test_a_build_that_prints_200_mb_fills_no_log(user: User, platform: Platform) -> None:
    app = await user.app(
        apps.hello()
        | {
            "Dockerfile": f"{BASE}WORKDIR /app\nCOPY package.json server.js ./\n"
            "RUN yes 'all work and no play' | head -c 200M\n"
            'RUN echo "the last step"\nUSER 1000\nCMD ["node", "server.js"]\n'
        }
    )
    ended = await app.deployed()
    assert ended["status"] == "SUCCEEDED", ended
    kept = platform.settings.data / "control" / "logs" / f"{ended['id']}.jsonl"
    assert MEGABYTE < kept.stat().st_size < platform.settings.log_bytes + MEGABYTE
    log = await app.log(ended["id"])
    assert "all work and no play" in log
    assert (await app.get()).text == "hello"


async def test_a_build_that_takes_all_memory_is_ended(
    user: User, platform: Platform, probes: tuple[Probe, Probe]
) -> None:
    app = await user.app({"Dockerfile": f"{BASE}RUN tail /dev/zero\n"})
    ended = await app.deployed()
    assert ended["status"] == "FAILED"
    assert ended["error"]["stage"] == "build"
    assert "137" in ended["error"]["what"]
    assert "memory" in ended["error"]["hint"]
    assert (await probes[0].about())["url"] == "/"
    # The engine and the next build are none the worse.
    after = await app.push({"Dockerfile": f"{BASE}RUN echo 'room again' && exit 3\n"})
    ended = await app.deployed()
    assert ended["commit"] == after
    assert any("room again" in line for line in ended["error"]["log_tail"]), ended


async def test_a_build_that_forks_without_end_is_held_and_cancelled(
    user: User, stranger: User, platform: Platform
) -> None:
    """It has its own share of processes: what others build and serve meanwhile is unharmed."""
    theirs = await stranger.app(apps.hello("unharmed"))
    assert (await theirs.deployed())["status"] == "SUCCEEDED"
    bomb = "RUN perl -e 'while (1) { my $child = fork; sleep 600 if defined $child && !$child }'\n"
    app = await user.app({"Dockerfile": BASE + bomb})
    share = platform.settings.build_step_pids
    async with busy_clients(theirs, 2) as traffic:
        deployment_id = await app.deploy()

        async def full() -> bool:
            return build_processes(platform) >= share - 8

        await until(full, 60, "the build has all processes that it may have")
        steps = 'RUN node -e \'console.log(6 * 7)\'\nCMD ["node", "-e", ""]\n'
        await theirs.push({"Dockerfile": f"{BASE}COPY . .\n{steps}"})
        beside = await theirs.deployed()
        assert beside["error"]["stage"] in {"start", "health"}, beside
        assert "42" in await theirs.log(beside["id"])
        assert share - 8 <= build_processes(platform) <= share + 8

        answer = await app.api.post(f"/api/deployments/{deployment_id}/cancel")
        assert answer.status_code == 202, answer.text
        ended = await app.ended(deployment_id, seconds=5)
        assert ended["status"] == "CANCELLED"

        async def gone() -> bool:
            return build_processes(platform) == 0

        await until(gone, 3, "none of its processes is left")
    assert not traffic.failures
    assert traffic.bodies == ["unharmed"]


async def test_a_link_in_place_of_a_mount_leads_nowhere(user: User, tmp_path: Path) -> None:
    """The engine removes what its mounts left: in the image, and nothing of the host's
    (CVE-2024-23652)."""
    sockets = tmp_path / "run"
    sockets.mkdir()
    (sockets / "docker.sock").touch()
    step = f"mv /own /moved && ln -s {sockets} /own && echo it is a link"
    app = await user.app(
        {"Dockerfile": f"{BASE}RUN --mount=type=cache,target=/own/docker.sock {step}\n"}
    )
    ended = await app.deployed()
    assert ended["error"]["stage"] in {"start", "health"}, ended
    assert "it is a link" in await app.log(ended["id"])
    assert (sockets / "docker.sock").exists()


async def test_no_git_runs_outside_of_a_step(user: User) -> None:
    """The engine would run it as root on the host, with whatever keys lie there."""
    app = await user.app({"Dockerfile": f"{BASE}ADD https://git.invalid/a/b.git /b\n"})
    ended = await app.deployed()
    assert ended["error"]["stage"] == "build", ended
    assert "git is not to be had here" in await app.log(ended["id"])


async def test_what_an_app_prints_carries_no_control_sequences(user: User) -> None:
    """Neither in the error of a deployment nor in the log of one that is live."""
    nasty = r'"\u001b]0;owned\u0007\u001b[2Jplain\u0000 \u001b[31mred\u001b[0m\r\u009b5n"'
    app = await user.app(apps.node_app(f"console.error({nasty}); process.exit(3);"))
    ended = await app.deployed()
    tail = "\n".join(ended["error"]["log_tail"])
    assert "plain" in tail
    assert is_clean(tail)

    await app.push(apps.node_app(f"console.log({nasty});\n" + str(apps.hello()["server.js"])))
    assert (await app.deployed())["status"] == "SUCCEEDED"
    answer = await app.api.get(f"/api/apps/{app.id}/logs", params={"follow": "false"})
    lines = [
        json.loads(line.removeprefix("data: "))
        for line in answer.text.splitlines()
        if line.startswith("data: ")
    ]
    shown = "\n".join(line.get("text", "") for line in lines)
    assert "plain" in shown
    assert is_clean(shown)


def is_clean(text: str) -> bool:
    """Whether a terminal is told nothing by it but, at most, colours."""
    without_colours = text.replace("\x1b[31m", "").replace("\x1b[0m", "")
    return all(char.isprintable() or char in "\n\t" for char in without_colours)
