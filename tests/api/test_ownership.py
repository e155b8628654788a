"""What is another user's is not there: a 404, whatever is asked of it."""

from __future__ import annotations

import pytest

from tests.support import apps
from tests.support.platform import Platform
from tests.support.user import App, User, ok, run


async def test_another_users_app_is_a_404(user: User, stranger: User) -> None:
    app = ok(await user.api.post("/api/apps", json={"name": "mine"}), 201)
    path = f"/api/apps/{app['id']}"
    for method, url, body in (
        ("GET", path, None),
        ("PATCH", path, {"name": "x"}),
        ("DELETE", path, None),
        ("GET", f"{path}/env", None),
        ("PUT", f"{path}/env", {"variables": []}),
        ("GET", f"{path}/deployments", None),
        ("POST", f"{path}/deployments", {}),
        ("POST", f"{path}/rollback", {}),
        ("POST", f"{path}/start", {}),
        ("POST", f"{path}/stop", {}),
        ("GET", f"{path}/logs", None),
        ("GET", f"{path}/metrics", None),
        ("GET", f"{path}/changes", None),
        ("GET", f"{path}/data/collections", None),
        ("GET", f"{path}/data/documents?collection=notes", None),
        ("POST", f"{path}/data/documents?collection=notes", {"document": {}}),
        ("PUT", f"{path}/data/documents?collection=notes&id=1", {"document": {}}),
        ("DELETE", f"{path}/data/documents?collection=notes&id=1", None),
        ("DELETE", f"{path}/data/collections?collection=notes&confirm=notes", None),
    ):
        answer = await stranger.api.request(method, url, json=body)
        assert answer.status_code == 404, (method, url, answer.text)
    assert ok(await user.api.get(path))["name"] == "mine"
    assert ok(await stranger.api.get("/api/apps")) == []


async def test_another_users_deployment_is_a_404(user: User, stranger: User) -> None:
    app = await user.app({"README.md": "nothing to build"})
    deployment_id = await app.deploy()
    await app.ended(deployment_id)
    path = f"/api/deployments/{deployment_id}"
    for method, url in (
        ("GET", path),
        ("GET", f"{path}/log"),
        ("GET", f"{path}/events"),
        ("GET", f"{path}/changes"),
        ("POST", f"{path}/cancel"),
        ("POST", f"{path}/retry"),
    ):
        answer = await stranger.api.request(method, url)
        assert answer.status_code == 404, (method, url, answer.text)


async def test_a_foreign_release_cannot_be_rolled_to(user: User, stranger: User) -> None:
    theirs = await user.app(apps.hello("theirs"))
    release = await theirs.deployed()
    mine = App(stranger, ok(await stranger.api.post("/api/apps", json={"name": "x"}), 201))
    answer = await mine.ask("rollback", deployment_id=release["id"])
    assert answer.status_code == 404, answer.text


async def test_git_push_reaches_only_ones_own_repositories(user: User, stranger: User) -> None:
    app = await user.app({"README.md": "mine"})
    with pytest.raises(AssertionError):
        await run("git", "ls-remote", app.repo_ssh_url, env=stranger.git_environment())


async def test_nodes_and_all_deployments_are_for_administrators(
    user: User, platform: Platform
) -> None:
    for path in (
        "/api/nodes",
        "/api/admin/deployments",
        "/api/admin/nodes/runtime-102/figures",
        "/api/admin/nodes/runtime-102/placements",
        "/api/admin/workspaces",
        "/api/admin/doctor",
    ):
        assert (await user.api.get(path)).status_code == 403
