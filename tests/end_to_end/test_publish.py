"""The main job on real input: an app pushed to Git is built, run and answers at its public URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ops.temporal import connect
from tests.chaos.strike import look
from tests.support import apps
from tests.support.platform import Platform
from tests.support.user import App, User, busy_clients, ok
from workflows import ids

STAGES = [
    "place",
    "clone",
    "build",
    "push",
    "database",
    "start",
    "health",
    "switch",
    "verify",
    "soak",
    "retire",
]


async def test_push_deploy_and_open(user: User) -> None:
    app = await user.app(apps.hello("first"))
    deployment = await app.deployed()
    assert deployment["status"] == "SUCCEEDED", deployment
    assert [stage["name"] for stage in deployment["stages"]] == STAGES
    assert deployment["live_at"]
    answer = await app.get()
    assert answer.text == "first"
    assert answer.headers["X-Studio-Release"] == str(deployment["id"])
    seen = ok(await app.api.get(f"/api/apps/{app.id}"))
    assert seen["status"] == "LIVE"
    assert seen["live_deployment"] == deployment["id"]

    await app.push(apps.hello("second"))
    second = await app.deployed()
    assert second["status"] == "SUCCEEDED", second
    assert (await app.get()).text == "second"


async def test_an_unchanged_tree_is_not_built_again(user: User) -> None:
    app = await user.app(apps.hello())
    await app.deployed()
    again = await app.deployed()
    assert again["status"] == "SUCCEEDED", again
    assert not {"build", "push"} & {stage["name"] for stage in again["stages"]}


async def test_rollback_and_stop_and_start(user: User) -> None:
    app = await user.app(apps.hello("one"))
    first = await app.deployed()
    await app.push(apps.hello("two"))
    await app.deployed()
    back = await app.ended(ok(await app.ask("rollback"), 202)["id"])
    assert back["status"] == "SUCCEEDED", back
    assert back["commit"] == first["commit"]
    assert (await app.get()).text == "one"

    stopped = await app.ended(ok(await app.ask("stop"), 202)["id"])
    assert stopped["status"] == "SUCCEEDED", stopped
    assert (await app.get()).status_code >= 400
    started = await app.ended(ok(await app.ask("start"), 202)["id"])
    assert started["status"] == "SUCCEEDED", started
    assert (await app.get()).text == "one"


@pytest_asyncio.fixture(scope="module")
async def good(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[App, int]]:
    """An app with a live release that no later one may harm."""
    async with User.registered(platform.settings, tmp_path_factory.mktemp("home")) as user:
        app = await user.app(apps.hello("good"))
        release = await app.deployed()
        assert release["status"] == "SUCCEEDED", release
        yield app, release["id"]


@pytest.mark.parametrize(
    ("files", "stage", "status", "said", "hints"),
    [
        (apps.failing_build(), "build", "FAILED", "the compiler is sad", []),
        (apps.cannot_run(), "health", "FAILED", "/nowhere", []),
        (apps.crashes_at_once(), "health", "FAILED", "cannot read my configuration", []),
        (apps.wrong_port(), "health", "FAILED", "listening on 8123", ["8123", "3000"]),
        (apps.never_healthy(), "health", "FAILED", "still warming up", []),
        (apps.crashes_after(1.2), "soak", "ROLLED_BACK", "out of luck", []),
    ],
    ids=[
        "build fails",
        "cannot run",
        "does not start",
        "wrong port",
        "never healthy",
        "dies in the soak",
    ],
)
async def test_a_bad_release_never_harms_the_old_one(
    platform: Platform,
    good: tuple[App, int],
    files: dict[str, str | bytes],
    stage: str,
    status: str,
    said: str,
    hints: list[str],
) -> None:
    app, release_id = good
    # The case before may have left one.
    (app.tree / "Dockerfile").unlink(missing_ok=True)
    await app.push(files)
    async with busy_clients(app, 2) as traffic:
        bad = await app.deployed()
    assert bad["status"] == status, bad
    assert bad["error"]["stage"] == stage, bad["error"]
    assert any(said in line for line in bad["error"]["log_tail"]), bad["error"]
    assert all(hint in bad["error"]["hint"] for hint in hints), bad["error"]
    assert not traffic.failures
    if status == "FAILED":
        assert traffic.bodies == ["good"]
    assert (await app.get()).text == "good"
    seen = ok(await app.api.get(f"/api/apps/{app.id}"))
    assert seen["live_deployment"] == release_id
    assert bad["error"]["host"] == ("runner-101" if stage == "build" else "runtime-102")
    assert await look(platform, app, bad, {"id": release_id}) == []


@pytest.mark.parametrize("slow", [apps.slow_build(60), apps.slow_install(60)], ids=["RUN", "npm"])
async def test_cancel_in_the_middle_of_a_build(
    user: User, platform: Platform, slow: dict[str, str | bytes]
) -> None:
    app = await user.app(slow)
    deployment_id = await app.deploy()
    async with asyncio.timeout(60):
        while "building 2 of" not in await app.log(deployment_id):
            await asyncio.sleep(0.2)
    running = ("pgrep", "-f", "building [$]i of 60")
    assert await (await asyncio.create_subprocess_exec(*running)).wait() == 0
    # As by somebody who presses without end; all of them are answered, and few disturb the workflow.
    asked = [app.api.post(f"/api/deployments/{deployment_id}/cancel") for _ in range(30)]
    async with asyncio.timeout(5):
        assert {answer.status_code for answer in await asyncio.gather(*asked)} <= {202, 409}
        ended = await app.ended(deployment_id)
    assert ended["status"] == "CANCELLED"
    of_it = f"of deployment {deployment_id}"
    gone = {f"build processes {of_it}", f"checkout {of_it}", f"local image {of_it}", "build slot"}
    assert gone <= set(ended["removed"])
    client = await connect(platform.settings)
    lock = await client.get_workflow_handle(ids.deploy_workflow(app.id)).fetch_history()
    cancels = [e for e in lock.events if e.HasField("workflow_execution_signaled_event_attributes")]
    assert 1 <= len(cancels) < len(asked) / 2
    left = await asyncio.create_subprocess_exec(*running)
    assert await left.wait() == 1, "the build's processes still run"
    assert not (platform.settings.node_home("runner-101") / "builds" / str(deployment_id)).exists()
