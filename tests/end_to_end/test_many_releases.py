"""Many deployments in a row under busy clients: nobody notices, and old releases go.

Eight here; ``ops/test --soak`` makes it twenty.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import docker
import pytest
import pytest_asyncio

from tests.support import apps
from tests.support.platform import Platform
from tests.support.user import App, Traffic, User, busy_clients, ok

DEPLOYMENTS = int(os.environ.get("STUDIO_TEST_DEPLOYMENTS", "8"))
CLIENTS = 8
IN_TURN = ("changed", "unchanged", "rollback", "changed")


@dataclass(frozen=True)
class History:
    app: App
    deployments: list[dict[str, Any]]
    traffic: Traffic
    last: str
    """What the last release answers."""


@pytest_asyncio.fixture(scope="module")
async def history(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[History]:
    async with User.registered(platform.settings, tmp_path_factory.mktemp("home")) as user:
        app = await user.app(apps.hello("0"))
        deployments = [await app.deployed()]
        live = "0"
        answers = {deployments[0]["commit"]: "0"}
        async with busy_clients(app, CLIENTS) as traffic:
            for number in range(1, DEPLOYMENTS + 1):
                what = IN_TURN[(number - 1) % len(IN_TURN)]
                if what == "changed":
                    answers[await app.push(apps.hello(str(number)))] = str(number)
                if what == "rollback":
                    ended = await app.ended(ok(await app.ask("rollback"), 202)["id"])
                else:
                    ended = await app.deployed()
                deployments.append(ended)
                live = answers.get(ended["commit"], "?")
        yield History(app, deployments, traffic, live)


async def test_no_request_fails_over_many_deployments(history: History) -> None:
    deployments, traffic = history.deployments, history.traffic
    assert len(deployments) == DEPLOYMENTS + 1
    assert [d for d in deployments if d["status"] != "SUCCEEDED"] == []
    assert {d["kind"] for d in deployments} == {"deploy", "rollback"}
    built = [d for d in deployments if "build" in {stage["name"] for stage in d["stages"]}]
    assert len(built) == 1 + DEPLOYMENTS // len(IN_TURN) * IN_TURN.count("changed")
    assert traffic.failures == []
    assert traffic.answers > DEPLOYMENTS * CLIENTS
    assert traffic.bodies[-1] == history.last
    assert (await history.app.get()).text == history.last


async def test_a_pruned_release_cannot_be_made_live(history: History) -> None:
    first = history.deployments[0]
    answer = await history.app.ask("rollback", deployment_id=first["id"])
    assert answer.status_code == 409
    assert "was pruned" in answer.json()["detail"]
    assert first["commit"] in answer.json()["hint"]
    assert (await history.app.get()).text == history.last


async def test_no_more_than_three_releases_are_kept(platform: Platform, history: History) -> None:
    """Neither in the registry nor on the host of the app."""
    settings = platform.settings
    repository, _, first = history.deployments[0]["image"].partition("@sha256:")
    registry = settings.data / "registry" / "docker/registry/v2/repositories" / repository
    manifests = registry / "_manifests" / "revisions" / "sha256"
    assert not (manifests / first / "link").exists()
    assert len(list(manifests.glob("*/link"))) == settings.keep_releases
    engine: Any = docker.APIClient(base_url=f"unix://{settings.docker_socket}", version="auto")
    try:
        images = engine.images(filters={"reference": f"{settings.registry}/{repository}"})
    finally:
        engine.close()
    digests = {digest for image in images for digest in image["RepoDigests"]}
    assert 1 <= len(digests) <= settings.keep_releases


async def test_somebody_elses_release_cannot_be_made_live(history: History, user: User) -> None:
    """Neither another user's, nor that of another app of one's own, nor one that never was."""
    foreign = history.deployments[-1]["id"]
    own = await user.app(apps.hello("mine"))
    assert (await own.deployed())["status"] == "SUCCEEDED"
    other = App(user, ok(await user.api.post("/api/apps", json={"name": "other"}), 201))
    (mine,) = ok(await user.api.get(f"/api/apps/{own.id}/deployments"))
    for app, deployment_id in ((own, foreign), (other, mine["id"]), (own, 10**9)):
        answer = await app.ask("rollback", deployment_id=deployment_id)
        assert answer.status_code == 404, answer.text
        assert f"no deployment {deployment_id}" in answer.json()["detail"]
    for asked in (
        user.api.post(f"/api/apps/{history.app.id}/rollback", json={}),
        user.api.post(f"/api/deployments/{foreign}/retry", json={}),
        user.api.post(f"/api/deployments/{foreign}/cancel"),
        user.api.get(f"/api/deployments/{foreign}/log"),
    ):
        assert (await asked).status_code == 404
    assert (await own.get()).text == "mine"


@pytest.mark.parametrize("deployment_id", [0, -1, "1; DROP TABLE app", 10**30, 1.5])
async def test_a_release_is_named_by_a_number(history: History, deployment_id: object) -> None:
    answer = await history.app.ask("rollback", deployment_id=deployment_id)
    assert answer.status_code in (404, 422), answer.text
