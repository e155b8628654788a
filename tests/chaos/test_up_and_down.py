"""``ops/up`` from nothing, killed again and again, then to its end; a second one; ``ops/down``.

On a platform of its own beside the one of the other tests, which notices nothing of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import httpx
import psutil
import pytest

from ops.settings import load_settings
from ops.stack import strays
from ops.stack.engines import PLATFORM_LABEL
from ops.stack.programs import git_user, server_user
from tests.support.platform import ROOT, Platform, is_attached
from tests.support.user import User

HOME = Path("/var/lib/fun-ai-studio-spare")
SPARE = {
    "STUDIO_HOME": str(HOME),
    "STUDIO_PLATFORM": "studiosp",
    "STUDIO_NAME_PREFIX": "studiosp-",
    "STUDIO_PORT_OFFSET": "900",
    "STUDIO_SUBNET_BASE": "172.26",
}
KILLED_AFTER = (
    "Folders, users, secrets",
    "Network and firewall",
    "Supervisor",
    "MariaDB",
    "Databases and accounts",
    "Networks of user code",
    "Records and administrator",
    "Base images",
    "Nodes",
)
"""Steps of ``ops/up``: each time it is killed as soon as it says that this one is done."""


def environment() -> dict[str, str]:
    """Nothing of the other platform's settings."""
    inherited = {name: value for name, value in os.environ.items() if "STUDIO_" not in name}
    kept = {name: os.environ[name] for name in ("STUDIO_CACHE", "STUDIO_DEV") if name in os.environ}
    return inherited | kept | SPARE


def run(command: str, *options: str) -> str:
    """What it says; its steps are on the other output where it is asked for JSON."""
    done = subprocess.run(
        [ROOT / "ops" / command, *options],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def killed_up(step: str) -> None:
    """``ops/up``, which is killed with all its children when it has said that a step is done."""
    process = subprocess.Popen(
        [ROOT / "ops" / "up"],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if line.startswith(f"✓ {step} "):
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait()
    assert said[-1].startswith(f"✓ {step} "), "".join(said)


@pytest.fixture
def spare() -> Iterator[None]:
    if is_attached():
        pytest.skip("a second platform is brought up only beside the tests' own")
    yield
    run("down", "--purge")


def spare_platform() -> Platform:
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("STUDIO_"):
                patch.delenv(name)
        for name, value in SPARE.items():
            patch.setenv(name, value)
        return Platform(load_settings())


def pids(platform: Platform) -> dict[str, int]:
    return {name: platform.pid(name) for name in platform.programs()}


def left_of(platform: Platform) -> dict[str, list[Any]]:
    """What the machine still has of it; all of it is empty when it is gone."""
    settings = platform.settings
    engine = docker.DockerClient(base_url=f"unix://{settings.docker_socket}")
    label: dict[str, str | list[str] | bool] = {"label": f"{PLATFORM_LABEL}={settings.platform}"}
    try:
        found: dict[str, list[Any]] = {
            "containers": engine.containers.list(all=True, filters=label),
            "networks": engine.networks.list(filters=label),
            "images": [
                tag
                for image in engine.images.list()
                for tag in [*image.tags, *image.attrs.get("RepoDigests", [])]
                if tag.startswith(settings.registry)
            ],
        }
    finally:
        engine.close()
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
    links = subprocess.run(["ip", "-json", "link"], capture_output=True, text=True, check=True)
    beside: dict[str, list[Any]] = {
        "processes": [process.cmdline() for process, _ in strays.find(settings)]
        + [p.pid for p in psutil.process_iter() if str(HOME) in " ".join(_words(p))],
        "rules": [line for line in rules.splitlines() if settings.platform in line],
        "links": [
            link["ifname"]
            for link in json.loads(links.stdout)
            if link["ifname"] in {settings.service_interface, *(n.bridge for n in settings.nodes)}
        ],
        "mounts": [
            line for line in Path("/proc/mounts").read_text().splitlines() if str(HOME) in line
        ],
        "users": [
            name
            for name in (server_user(settings), git_user(settings))
            if f"{name}:" in Path("/etc/passwd").read_text()
        ],
        # Of version 1 by controller, of version 2 at the top.
        "groups": [
            group
            for pattern in ("*/{}-builds", "{}-builds")
            for group in Path("/sys/fs/cgroup").glob(pattern.format(settings.platform))
        ],
        "home": [HOME] if HOME.exists() else [],
    }
    return found | beside


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


async def test_up_may_be_killed_at_any_point_and_down_leaves_nothing(
    platform: Platform, spare: None, user: User
) -> None:
    beside = pids(platform)
    for step in KILLED_AFTER:
        await asyncio.to_thread(killed_up, step)
    facts = json.loads(await asyncio.to_thread(run, "up", "--json"))
    other = spare_platform()
    sample = httpx.URL(facts["sample"])
    address = f"{other.settings.entry_url}{sample.path}"
    answer = httpx.get(address, headers={"Host": sample.netloc.decode()}, trust_env=False)
    assert answer.status_code == 200, answer.text

    running = pids(other)
    assert all(running.values()), running
    assert "Fun AI Studio is up" in await asyncio.to_thread(run, "up")
    assert pids(other) == running, "a second ops/up starts nothing again"

    await asyncio.to_thread(run, "down")
    assert left_of(other)["processes"] == []
    await asyncio.to_thread(run, "up")
    again = httpx.get(address, headers={"Host": sample.netloc.decode()}, trust_env=False)
    assert again.status_code == 200, again.text

    await asyncio.to_thread(run, "down", "--purge")
    assert not any(left_of(other).values()), left_of(other)
    assert pids(platform) == beside
    assert (await user.api.get("/api/apps")).status_code == 200
