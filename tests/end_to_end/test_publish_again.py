"""Deployments of an app that has one already: retried, refused, queued, superseded."""

from __future__ import annotations

import asyncio
from typing import Any

import docker

from tests.chaos.strike import look
from tests.support import apps
from tests.support.platform import Platform
from tests.support.user import App, User, ok
from workflows import ids

MAKING = {"clone", "build", "push"}


def stages(deployment: dict[str, Any]) -> set[str]:
    return {stage["name"] for stage in deployment["stages"]}


async def retried(app: App, deployment: dict[str, Any]) -> dict[str, Any]:
    asked = await app.api.post(f"/api/deployments/{deployment['id']}/retry", json={})
    return await app.ended(ok(asked, 202)["id"])


async def test_a_retry_starts_from_the_image_that_was_pushed(
    platform: Platform, user: User
) -> None:
    app = await user.app(apps.says_word())
    failed = await app.deployed()
    assert (failed["status"], failed["error"]["stage"]) == ("FAILED", "health"), failed
    assert "WORD is not set" in failed["error"]["log_tail"]
    assert stages(failed) >= MAKING

    # What was pushed meanwhile is for a deployment of its own.
    await app.push(apps.hello("a later commit"))
    variables = [{"key": "WORD", "value": "at last"}]
    ok(await app.api.put(f"/api/apps/{app.id}/env", json={"variables": variables}))
    again = await retried(app, failed)
    assert (again["kind"], again["status"]) == ("retry", "SUCCEEDED"), again
    assert not MAKING & stages(again)
    assert again["source_deployment"] == failed["id"]
    assert (again["image"], again["commit"]) == (failed["image"], failed["commit"])
    assert (await app.get()).text == "at last"
    digest = failed["image"].partition("@")[2]
    assert any(digest in one for one in await asyncio.to_thread(runs, platform, app, again["id"]))


def runs(platform: Platform, app: App, deployment_id: int) -> list[str]:
    """The digests of the image that a release's container runs."""
    settings = platform.settings
    engine = docker.DockerClient(base_url=f"unix://{settings.docker_socket}")
    try:
        name = settings.name_prefix + ids.app_container(app.id, deployment_id)
        image = engine.containers.get(name).attrs["Image"]
        return list(engine.images.get(image).attrs["RepoDigests"])
    finally:
        engine.close()


async def test_a_busy_app_refuses_queues_or_lets_itself_be_superseded(
    platform: Platform, user: User
) -> None:
    app = await user.app(apps.hello("old"))
    old = await app.deployed()
    assert old["status"] == "SUCCEEDED", old
    await app.push(apps.slow_build(60))
    running = await app.deploy()
    await app.at_stage(running, "build")

    for body in ({}, {"on_busy": "reject"}):
        refused = await app.ask("deployments", **body)
        assert refused.status_code == 409
        assert f"deployment {running} is still running" in refused.json()["detail"]
        assert refused.json()["hint"]
    listed = ok(await app.api.get(f"/api/apps/{app.id}/deployments"))
    assert [one["id"] for one in listed] == [running, old["id"]]

    waiting = await app.deploy(on_busy="queue")
    assert (await app.deployment(waiting))["status"] == "PENDING"
    newer = await app.deploy(on_busy="queue")
    displaced = await app.ended(waiting, seconds=5)
    assert displaced["status"] == "CANCELLED"
    assert f"a newer deployment ({newer}) took its place" in displaced["error"]["what"]
    assert (await app.deployment(running))["status"] == "RUNNING"
    assert (await app.get()).text == "old"

    (app.tree / "Dockerfile").unlink()
    await app.push(apps.hello("newest"))
    newest = await app.deploy(on_busy="supersede")
    for one in (running, newer):
        ended = await app.ended(one, seconds=20)
        assert ended["status"] == "CANCELLED", ended
        assert f"a newer deployment ({newest}) took its place" in ended["error"]["what"]
    superseded = await app.deployment(running)
    assert f"build processes of deployment {running}" in superseded["removed"]
    assert not {"start", "switch"} & stages(superseded)
    live = await app.ended(newest)
    assert live["status"] == "SUCCEEDED", live
    assert (await app.get()).text == "newest"
    assert await look(platform, app, live, old) == []


async def test_what_is_queued_runs_when_its_turn_comes(user: User) -> None:
    app = await user.app(apps.slow_build(2, "first"))
    first = await app.deploy()
    await app.at_stage(first, "build")
    await app.push(apps.slow_build(1, "second"))
    queued = await app.deploy(on_busy="queue")
    assert (await app.ended(first))["status"] == "SUCCEEDED"
    ended = await app.ended(queued)
    assert ended["status"] == "SUCCEEDED", ended
    assert ended["stages"][0]["started_at"] >= (await app.deployment(first))["ended_at"]
    assert (await app.get()).text == "second"
