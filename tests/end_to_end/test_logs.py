"""Logs tell each deployment's story by its ids, and neither they nor anything else tell a secret."""

from __future__ import annotations

import json
import secrets as random
from typing import Any

import docker
import pytest

from ops.temporal import connect
from tests.support import apps
from tests.support.platform import Platform
from tests.support.secrets_seen import (
    histories,
    platform_secrets,
    seen_in,
    watched_commands,
)
from tests.support.user import PASSWORD, User, ok


def own(platform: Platform) -> list[str]:
    """The processes that are the platform's own code."""
    return ["api", "control", *(node.node_id for node in platform.settings.nodes)]


def lines(platform: Platform, process: str) -> list[dict[str, Any]]:
    """A process's log since it was made; a line that is no JSON is an error."""
    found = []
    for text in platform.log(process).splitlines():
        line = json.loads(text)
        assert {"event", "level", "timestamp", "process"} <= line.keys(), text
        found.append(line)
    return found


async def test_every_line_of_our_processes_is_json_with_its_origin(
    platform: Platform, user: User
) -> None:
    for process in own(platform):
        assert lines(platform, process), f"{process} has logged nothing"


async def test_a_deployment_can_be_followed_by_its_id(platform: Platform, user: User) -> None:
    app = await user.app(apps.hello())
    deployment = await app.deployed()
    assert deployment["status"] == "SUCCEEDED", deployment
    story = {
        process: [
            line
            for line in lines(platform, process)
            if line.get("deployment_id") == deployment["id"]
        ]
        for process in own(platform)
    }
    done = {
        process: {line["activity"] for line in told if line["event"] == "activity.done"}
        for process, told in story.items()
    }
    assert {"clone", "build", "push"} <= done["runner-101"]
    assert {"start_container", "check_health", "switch_route", "soak"} <= done["runtime-102"]
    assert {"place", "verify"} <= done["control"]
    assert any(line["route"].endswith("/deployments") for line in story["api"])
    (ended,) = [line for line in story["control"] if line["event"] == "deployment.ended"]
    assert (ended["status"], ended["app_id"], ended["user_id"]) == ("SUCCEEDED", app.id, user.id)
    assert len({line["trace_id"] for line in story["runner-101"]}) == 1


async def test_a_failure_is_one_line_in_words(platform: Platform, user: User) -> None:
    app = await user.app(apps.failing_build())
    deployment = await app.deployed()
    assert deployment["status"] == "FAILED"
    (failed,) = [
        line
        for line in lines(platform, "runner-101")
        if line.get("deployment_id") == deployment["id"] and line["event"] == "activity.failed"
    ]
    assert failed["kind"] == "BuildFailed"
    assert failed["activity"] == "build"
    about_it = [
        line
        for process in own(platform)
        for line in lines(platform, process)
        if line.get("deployment_id") == deployment["id"]
    ]
    assert [line for line in about_it if "exception" in line] == []


@pytest.mark.parametrize("how", ["succeeds", "fails"])
async def test_no_secret_is_seen_anywhere(platform: Platform, user: User, how: str) -> None:
    hidden = platform_secrets(platform.settings) | {
        "the user's password": PASSWORD,
        "the user's token": user.api.headers["Authorization"].removeprefix("Bearer "),
        "a variable": random.token_urlsafe(24),
        "a variable of the build": random.token_urlsafe(24),
    }
    app = await user.app(apps.hello() if how == "succeeds" else apps.crashes_at_once())
    variables = [
        {"key": "API_KEY", "value": hidden["a variable"]},
        {"key": "NPM_AUTH", "value": hidden["a variable of the build"], "at_build": True},
    ]
    ok(await app.api.put(f"/api/apps/{app.id}/env", json={"variables": variables}))
    async with watched_commands(hidden) as on_command_lines:
        deployment = await app.deployed()
    assert deployment["status"] == ("SUCCEEDED" if how == "succeeds" else "FAILED"), deployment
    assert on_command_lines == set()

    for path in sorted(platform.settings.logs.iterdir()):
        assert seen_in(path.read_bytes(), hidden) == [], path.name
    assert seen_in((await app.log(deployment["id"])).encode(), hidden) == []
    assert platform.settings.trace_file is not None
    assert seen_in(platform.settings.trace_file.read_bytes(), hidden) == []

    client = await connect(platform.settings)
    read = []
    async for workflow_id, history in histories(
        client, f"AppId = {app.id} OR WorkflowType = 'NodeHeartbeat'"
    ):
        assert seen_in(history, hidden) == [], workflow_id
        read += [history]
    assert len(read) >= 2 + len(platform.settings.nodes)
    # What is no secret is found there: the search does work.
    assert any(seen_in(history, {"the name": app.slug}) for history in read)

    # At rest: passwords and tokens as hashes, variables and the apps' own secrets encrypted.
    stored = [path for path in (platform.settings.data / "mysql").rglob("*") if path.is_file()]
    kept = [path.read_bytes() for path in stored]
    assert [found for data in kept if (found := seen_in(data, hidden))] == []
    assert any(app.slug.encode() in data for data in kept)
    assert any(b"$argon2id$" in data for data in kept)

    if how == "succeeds":
        assert seen_in(image_of(platform, app.id, deployment["id"]), hidden) == []


def image_of(platform: Platform, app_id: int, deployment_id: int) -> bytes:
    """All that an image says of itself: its configuration and how each layer was made."""
    settings = platform.settings
    engine: Any = docker.APIClient(base_url=f"unix://{settings.docker_socket}", version="auto")
    container = engine.inspect_container(f"{settings.name_prefix}app-{app_id}-{deployment_id}")
    image = engine.inspect_image(container["Image"])
    return json.dumps([image, engine.history(container["Image"])]).encode()
