"""An app that is deleted, or a key that is removed, while somebody is at work with it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ops.temporal import connect
from tests.support import apps
from tests.support.cli import Running
from tests.support.platform import Platform
from tests.support.things import things_of
from tests.support.user import App, User, ok
from workflows import ids
from workflows.messages import DeploymentResult

KEPT = {"users", "tokens", "ssh_keys"}
GONE_SECONDS = 30


@pytest.mark.parametrize("stage", ["build", "health"])
async def test_an_app_deleted_in_the_middle_of_its_deployment(
    platform: Platform, user: User, stage: str
) -> None:
    settings = platform.settings
    app = await user.app(apps.hello("old"))
    old = await app.deployed()
    assert old["status"] == "SUCCEEDED", old
    await app.push(apps.slow_build(61) if stage == "build" else apps.slow_start(60))
    async with Running.of(user, "deploy", app.slug) as watching:
        deployment_id = await _newest(app, old["id"])
        await app.at_stage(deployment_id, stage)
        before = await things_of(settings, user.id, [app.id])
        assert all(before[kind] for kind in ("containers", "files", "databases", "repositories"))
        assert len(before["containers"]) == (1 if stage == "build" else 2), before

        ok(await user.api.delete(f"/api/apps/{app.id}"), 202)
        assert (await app.ask("deployments")).status_code == 409
        out, err = await asyncio.wait_for(watching.process.communicate(), GONE_SECONDS)
    assert watching.process.returncode == 1, out
    assert "CANCELLED:\nthe app is being deleted\n" in out.decode(), (out, err)
    await _gone(app)
    for path in (f"deployments/{deployment_id}", f"deployments/{old['id']}"):
        assert (await user.api.get(f"/api/{path}")).status_code == 404

    left = await things_of(settings, user.id, [app.id])
    assert set(left.pop("rows")) <= KEPT
    left.pop("people")
    assert not any(left.values()), left
    assert _registered(platform, old) == []
    builds = settings.node_home("runner-101") / "builds"
    assert not (builds / str(deployment_id)).exists()
    assert (await app.get()).status_code == 404
    handle = (await connect(settings)).get_workflow_handle(
        ids.deployment_workflow(deployment_id), result_type=DeploymentResult
    )
    result = await handle.result()
    assert result.status == "CANCELLED"
    if stage == "build":
        assert {"build slot", f"build processes of deployment {deployment_id}"} <= set(
            result.removed
        )
    else:
        assert any(ids.app_container(app.id, deployment_id) in one for one in result.removed)


async def _newest(app: App, before: int) -> int:
    """The deployment that came after this one."""
    async with asyncio.timeout(30):
        while True:
            (newest,) = ok(
                await app.api.get(f"/api/apps/{app.id}/deployments", params={"limit": 1})
            )
            if newest["id"] != before:
                return int(newest["id"])
            await asyncio.sleep(0.1)


async def _gone(app: App) -> None:
    async with asyncio.timeout(GONE_SECONDS):
        while (await app.api.get(f"/api/apps/{app.id}")).status_code != 404:
            await asyncio.sleep(0.1)


def _registered(platform: Platform, deployment: dict[str, Any]) -> list[str]:
    """The manifests that the image registry still has of the app's images."""
    repository = deployment["image"].partition("@")[0]
    root = platform.settings.data / "registry" / "docker/registry/v2/repositories" / repository
    return [str(path) for path in root.glob("_manifests/revisions/sha256/*/link")]


async def test_a_removed_key_opens_nothing(user: User) -> None:
    app = await user.app(apps.hello())
    pushed = (await app.git("rev-parse", "HEAD")).strip()
    (key,) = ok(await user.api.get("/api/ssh-keys"))
    ok(await user.api.delete(f"/api/ssh-keys/{key['id']}"), 204)
    assert ok(await user.api.get("/api/ssh-keys")) == []
    with pytest.raises(AssertionError, match="Permission denied"):
        await app.push({"late.txt": "x"})
    with pytest.raises(AssertionError, match="Permission denied"):
        await app.git("fetch", "origin")

    # The same key may be added again, and what was refused was not taken.
    public = (user.home / "id.pub").read_text()
    ok(await user.api.post("/api/ssh-keys", json={"title": "x", "public_key": public}), 201)
    assert (await app.git("ls-remote", "origin", "refs/heads/main")).split()[0] == pushed
    await app.git("push", "-q", "origin", "HEAD:main")
