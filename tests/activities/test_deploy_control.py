"""7002: who may ask what, and that the real registry takes its tokens and nothing more."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlmodel import delete
from temporalio.exceptions import ApplicationError

from activities.built import BuiltImages
from activities.contracts.apps import AppThings
from activities.contracts.records import FindBuiltInput
from activities.contracts.servers import DeleteImageInput
from activities.images import Images
from api.deploy_control import create_app
from ops.crypto import Vault, database_context, env_context
from ops.db.session import Database
from ops.db.tables import App, AppEnv, Deployment, NodeRow
from ops.logstore import LogStore
from ops.settings import Settings, read_secret
from tests.activities.conftest import Given
from tests.activities.registry import Registry


@pytest_asyncio.fixture
async def control(
    settings: Settings, database: Database, vault: Vault, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings, database, vault, LogStore(tmp_path, 100_000))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://control") as client:
        yield client


def bearer(settings: Settings, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {read_secret(settings, name).get_secret_value()}"}


@pytest_asyncio.fixture
async def running(given: Given, database: Database, vault: Vault) -> tuple[App, Deployment]:
    """A deployment under way, of an app with an environment and a database."""
    app = await given.app(node_id="runtime-102")
    assert app.id is not None
    row = await given.deployment(app, status="RUNNING", node_id="runtime-102", port=8080)
    async with database.session() as session:
        stored = await session.get(App, app.id)
        assert stored is not None
        stored.database_password = vault.encrypt("mongo-password", database_context(app.id))
        for key, at_build in (("SECRET", False), ("PUBLIC_KEY", True), ("PORT", False)):
            value = vault.encrypt(f"value of {key}", env_context(app.id, key))
            session.add(AppEnv(app_id=app.id, key=key, value=value, at_build=at_build))
    return app, row


async def build_token(
    control: httpx.AsyncClient, settings: Settings, row: Deployment, *scopes: str
) -> str:
    answer = await control.get(
        f"/deployments/{row.id}/build", headers=bearer(settings, "node-runner-101")
    )
    build = answer.raise_for_status().json()
    token = await control.get(
        "/registry/token",
        params={"service": "studio-registry", "scope": scopes},
        auth=(build["registry_user"], build["registry_password"]),
    )
    return str(token.raise_for_status().json()["token"])


async def test_everything_needs_the_right_caller(
    control: httpx.AsyncClient, settings: Settings, running: tuple[App, Deployment]
) -> None:
    app, row = running
    paths = {
        f"/deployments/{row.id}/log": "entry-token",
        f"/deployments/{row.id}/build": "node-runner-101",
        f"/deployments/{row.id}/environment": "node-runtime-102",
        f"/apps/{app.id}/logs": "entry-token",
    }
    everybody = ("entry-token", "node-runner-101", "node-runtime-102", "control-token")
    for path, allowed in paths.items():
        assert (await control.get(path)).status_code == 401
        for name in everybody:
            status = (await control.get(path, headers=bearer(settings, name))).status_code
            if name != allowed:
                assert status == (401 if name == "control-token" else 403), (path, name)


async def test_lines_are_kept_once_and_read_by_the_entry(
    control: httpx.AsyncClient, settings: Settings, running: tuple[App, Deployment]
) -> None:
    path = f"/deployments/{running[1].id}/log"
    node = bearer(settings, "node-runner-101")
    entry = bearer(settings, "entry-token")
    lines = {"source": "build", "stream": "s1", "first": 0, "lines": ["a", "\x1b]0;x\x07b"]}
    for _ in range(2):
        answer = await control.post(path, json=lines, headers=node)
        assert answer.json() == {"more": True}
    assert (await control.post(path, json=lines, headers=entry)).status_code == 403
    unknown = await control.post("/deployments/999999999/log", json=lines, headers=node)
    assert unknown.status_code == 404
    assert unknown.headers["content-type"] == "application/problem+json"
    read = await control.get(path, headers=entry)
    assert [json.loads(line)["text"] for line in read.text.splitlines()] == ["a", "b"]
    rest = await control.get(path, params={"after": 0}, headers=entry)
    assert [json.loads(line)["n"] for line in rest.text.splitlines()] == [1]


async def test_secrets_are_given_while_a_deployment_runs(
    control: httpx.AsyncClient,
    settings: Settings,
    given: Given,
    running: tuple[App, Deployment],
) -> None:
    app, row = running
    runner, runtime = (bearer(settings, f"node-{n}") for n in ("runner-101", "runtime-102"))
    build = (await control.get(f"/deployments/{row.id}/build", headers=runner)).json()
    assert build["build_env"] == {"PUBLIC_KEY": "value of PUBLIC_KEY"}
    assert build["git_url"].endswith(f"/u{app.user_id}-app{app.id}.git")
    path = f"/deployments/{row.id}/environment"
    env: dict[str, Any] = (await control.get(path, headers=runtime)).json()["env"]
    assert env["SECRET"] == "value of SECRET"
    assert env["PORT"] == "8080"
    assert env["BASE_PATH"] == settings.base_path(app.id or 0)
    assert env["MONGODB_URI"].startswith(f"mongodb://db_{app.id}:mongo-password@")
    async with given.database.session() as session:
        stored = await session.get(Deployment, row.id)
        assert stored is not None
        stored.node_id = "runtime-elsewhere"
    assert (await control.get(path, headers=runtime)).status_code == 403
    async with given.database.session() as session:
        stored = await session.get(Deployment, row.id)
        assert stored is not None
        stored.status = "FAILED"
    answer = await control.get(f"/deployments/{row.id}/build", headers=runner)
    assert answer.status_code == 409
    for kind in ("registry", "push"):
        login = (build[f"{kind}_user"], build[f"{kind}_password"])
        assert (await control.get("/registry/token", auth=login)).status_code == 401


async def test_a_repair_gets_the_live_releases_port(
    control: httpx.AsyncClient,
    settings: Settings,
    given: Given,
    running: tuple[App, Deployment],
) -> None:
    app, live = running
    repair = await given.deployment(app, kind="repair", status="RUNNING", port=None)
    async with given.database.session() as session:
        stored = await session.get(App, app.id)
        assert stored is not None
        stored.live_deployment_id = live.id
    answer = await control.get(
        f"/deployments/{repair.id}/environment", headers=bearer(settings, "node-runtime-102")
    )
    assert answer.json()["env"]["PORT"] == "8080"


async def test_the_registry_takes_a_deployments_token_for_its_own_repository_only(
    control: httpx.AsyncClient,
    settings: Settings,
    running: tuple[App, Deployment],
) -> None:
    app, row = running
    own = f"{settings.image_namespace}/u{app.user_id}-app{app.id}"
    other = f"{settings.image_namespace}/u{app.user_id}-app1"
    token = await build_token(
        control,
        settings,
        row,
        f"repository:{own}:pull,push",
        f"repository:{other}:pull,push",
        "repository:base/test:pull,push",
    )
    registry = Registry(settings.registry, token)
    digest = registry.push(own, "v1", b"layer")
    assert registry.status(own, digest) == 200
    assert registry.status(other, "v1") == 401
    with pytest.raises(httpx.HTTPStatusError):
        registry.push("base/test", "v1", b"layer")
    nobody = Registry(settings.registry, "x.y.z")
    assert nobody.status(own, digest) == 401
    oauth = await control.post(
        "/registry/token",
        data={
            "grant_type": "password",
            "service": "studio-registry",
            "username": "node-runtime-102",
            "password": read_secret(settings, "node-runtime-102").get_secret_value(),
            "scope": f"repository:{own}:pull",
        },
    )
    puller = Registry(settings.registry, oauth.json()["access_token"])
    assert puller.status(own, digest) == 200
    with pytest.raises(httpx.HTTPStatusError):
        puller.push(own, "v2", b"layer 2")


async def test_images_are_deleted_when_no_release_names_them(
    control: httpx.AsyncClient,
    settings: Settings,
    given: Given,
    running: tuple[App, Deployment],
) -> None:
    """Asks the platform's own 7002 for its token, as the activity does."""
    app, row = running
    assert app.id is not None
    repository = f"u{app.user_id}-app{app.id}"
    full = f"{settings.image_namespace}/{repository}"
    token = await build_token(control, settings, row, f"repository:{full}:pull,push")
    registry = Registry(settings.registry, token)
    digests = [registry.push(full, f"v{n}", f"layer {n}".encode()) for n in range(3)]
    images = Images(settings, given.database)
    release = await given.deployment(app, digest=digests[0], status="SUCCEEDED")
    wanted = DeleteImageInput(app_id=app.id, repository=repository, digest=digests[0])
    with pytest.raises(ApplicationError) as failure:
        await images.delete_image(wanted)
    assert failure.value.type == "Conflict"
    async with given.database.session() as session:
        stored = await session.get(Deployment, release.id)
        assert stored is not None
        stored.image_gone = True
    for _ in range(2):
        assert (await images.delete_image(wanted)).gone
    assert (await given.again(release)).digest is None
    assert [registry.status(full, digest) for digest in digests] == [404, 200, 200]
    things = AppThings(
        app_id=app.id,
        user_id=app.user_id,
        slug=app.slug,
        repository=repository,
        database=f"db_{app.id}",
        nodes=[],
        runners=[],
    )
    for _ in range(2):
        assert (await images.delete_app_images(things)).gone == [f"images of {repository}"]
    assert [registry.status(full, digest) for digest in digests] == [404, 404, 404]


async def test_a_build_is_skipped_while_the_registry_has_its_image(
    control: httpx.AsyncClient,
    settings: Settings,
    given: Given,
    running: tuple[App, Deployment],
) -> None:
    """Its manifest goes behind the records' back, as by a disk that is restored from before."""
    app, row = running
    assert app.id is not None
    repository = f"u{app.user_id}-app{app.id}"
    full = f"{settings.image_namespace}/{repository}"
    token = await build_token(control, settings, row, f"repository:{full}:pull,push")
    digest = Registry(settings.registry, token).push(full, "v1", b"layer")
    images = BuiltImages(settings, given.database)
    release = await given.deployment(app, digest=digest, build_key="key", status="SUCCEEDED")
    find = FindBuiltInput(app_id=app.id, build_key="key")
    found = (await images.find_built(find)).release
    assert found is not None
    assert found.digest == digest
    async with images._repository(repository) as registry:
        await registry.delete(digest)
    for _ in range(2):
        assert (await images.find_built(find)).release is None
        assert (await given.again(release)).image_gone


async def test_a_node_learns_whether_it_drains(
    control: httpx.AsyncClient, settings: Settings, database: Database
) -> None:
    assert (await control.get("/node", headers=bearer(settings, "entry-token"))).status_code == 403
    mine = bearer(settings, "node-runner-101")
    async with database.session() as session:
        await session.exec(delete(NodeRow).where(NodeRow.node_id == "runner-101"))  # type: ignore[arg-type]
    assert (await control.get("/node", headers=mine)).json() == {"draining": False}
    async with database.session() as session:
        session.add(NodeRow(node_id="runner-101", role="runner", status="UP", draining=True))
    assert (await control.get("/node", headers=mine)).json() == {"draining": True}
