"""Two runners and two runtimes: work is spread, apps stay where they are, a lost host is replaced."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client

from ops.temporal import connect
from tests.support import apps
from tests.support.nodes import status, until
from tests.support.platform import Platform
from tests.support.user import App, User, ok

RUNNERS = {"runner-101", "runner-101-2"}
RUNTIMES = {"runtime-102", "runtime-102-2"}
AT_ONCE = 6

Deployed = tuple[App, dict[str, Any]]


def stage(deployment: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [stage for stage in deployment["stages"] if stage["name"] == name]
    return dict(found)


def most_at_once(stages: list[dict[str, Any]]) -> int:
    """How many of these stages ran at the same time."""
    times = [
        (datetime.fromisoformat(stage[key]), change)
        for stage in stages
        for key, change in (("started_at", 1), ("ended_at", -1))
    ]
    running = most = 0
    for _, change in sorted(times):
        running += change
        most = max(most, running)
    return most


def fresh(text: str) -> str:
    """Never the same twice, so that no step is taken from the build cache of a run before."""
    return f"{text} {secrets.token_hex(8)}"


async def up(client: Client, nodes: set[str]) -> bool:
    return {await status(client, node) for node in nodes} == {"UP"}


@pytest_asyncio.fixture(scope="module")
async def deployed(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[Deployed]]:
    """New apps, all of them deployed at the same moment."""
    client = await connect(platform.settings)
    await until(lambda: up(client, RUNNERS | RUNTIMES), 20, "all hosts are up")
    home = tmp_path_factory.mktemp("home")
    async with User.registered(platform.settings, home) as user:
        made = [
            await user.app(apps.slow_build(3, fresh(f"app {number}")), name=f"app {number}")
            for number in range(AT_ONCE)
        ]
        ended = await asyncio.gather(*(app.deployed() for app in made))
        yield list(zip(made, ended, strict=True))
        await user.no_apps()


async def test_builds_are_spread_over_the_slots_of_all_runners(
    platform: Platform, deployed: list[Deployed]
) -> None:
    builds = [stage(deployment, "build") for _, deployment in deployed]
    assert {build["status"] for build in builds} == {"SUCCEEDED"}, builds
    by_host = Counter(build["host"] for build in builds)
    assert by_host.keys() == RUNNERS
    slots = platform.settings.build_slots
    for runner in RUNNERS:
        assert most_at_once([b for b in builds if b["host"] == runner]) <= slots
    assert most_at_once(builds) > slots


async def test_new_apps_go_to_different_runtimes_and_answer_from_there(
    platform: Platform, deployed: list[Deployed]
) -> None:
    assert {d["status"] for _, d in deployed} == {"SUCCEEDED"}, deployed
    assert {stage(d, "start")["host"] for _, d in deployed} == RUNTIMES
    for number, (app, deployment) in enumerate(deployed):
        answer = await app.get()
        assert answer.text.startswith(f"app {number} ")
        assert answer.headers["X-Studio-Release"] == str(deployment["id"])
        node = ok(await app.api.get(f"/api/apps/{app.id}"))["node"]
        assert node == stage(deployment, "start")["host"]
        route = platform.settings.node_home(node) / "routes" / f"app-{app.id}.yml"
        assert route.exists()


async def test_an_app_stays_on_its_node_when_it_is_deployed_again(
    deployed: list[Deployed],
) -> None:
    one_each = {stage(d, "start")["host"]: app for app, d in deployed}
    assert one_each.keys() == RUNTIMES

    async def again(node: str, app: App) -> None:
        await app.push(apps.hello("changed"))
        deployment = await app.deployed()
        assert deployment["status"] == "SUCCEEDED", deployment
        assert stage(deployment, "start")["host"] == node
        assert (await app.get()).text == "changed"

    await asyncio.gather(*(again(node, app) for node, app in one_each.items()))


async def test_a_build_goes_on_elsewhere_when_its_runner_is_lost(
    platform: Platform, user: User
) -> None:
    client = await connect(platform.settings)
    text = fresh("moved")
    app = await user.app(apps.slow_build(7, text))
    deployment_id = await app.deploy()

    async def builds() -> bool:
        return "building 2 of" in await app.log(deployment_id)

    await until(builds, 60, "the build runs")
    first = stage(await app.deployment(deployment_id), "build")
    lost = first["host"]
    (other,) = RUNNERS - {lost}
    checkout = platform.settings.node_home(lost) / "builds" / str(deployment_id)
    assert checkout.exists()
    await asyncio.to_thread(platform.kill_for_good, lost)
    try:
        moved = await app.until(
            deployment_id, lambda d: stage(d, "build")["host"] == other, seconds=20
        )
        assert stage(moved, "clone")["host"] == other
        ended = await app.ended(deployment_id, seconds=60)
        assert ended["status"] == "SUCCEEDED", ended
        for name in ("clone", "build"):
            assert stage(ended, name)["attempt"] == 2
            assert stage(ended, name)["host"] == other
        assert (await app.get()).text == text
        await until(lambda: is_down(client, lost), 20, f"{lost} is DOWN")
        # Its checkout is still there: nobody can remove it but itself.
        assert checkout.exists()
    finally:
        await asyncio.to_thread(platform.start, lost)
    await until(lambda: up(client, {lost}), 8, f"{lost} is UP again")

    async def removed() -> bool:
        return not checkout.exists()

    await until(removed, 20, "what it still had to remove is gone")


async def is_down(client: Client, node: str) -> bool:
    return await status(client, node) == "DOWN"
