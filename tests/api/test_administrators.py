"""What administrators see of the hosts and of everybody's work."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ops.admin_api import AdminApi
from ops.temporal import connect
from tests.support import apps
from tests.support.platform import Platform
from tests.support.user import User, ok
from workflows import ids

RUNTIME = "runtime-102"


@pytest.fixture(scope="module")
def admin(platform: Platform) -> Iterator[httpx.Client]:
    signed_in = AdminApi(platform.settings)
    yield signed_in.api
    signed_in.api.close()


def read(api: httpx.Client, path: str, **params: Any) -> Any:
    answer = api.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def node(api: httpx.Client, node_id: str) -> dict[str, Any]:
    (found,) = [one for one in read(api, "/api/nodes") if one["node_id"] == node_id]
    return dict(found)


async def test_hosts_have_figures_of_now_and_of_the_last_hour(admin: httpx.Client) -> None:
    for found in read(admin, "/api/nodes"):
        assert found["live"], found
        assert 0 < found["figures"]["disk_free"] <= found["figures"]["disk_total"]
        async with asyncio.timeout(60):  # a platform that has just started has no minute to tell of
            while not _disk_is_told(admin, found["node_id"]):
                await asyncio.sleep(1)
    answer = admin.get('/api/admin/nodes/x"} or up{a="/figures')
    assert answer.status_code == 404, answer.text


def _disk_is_told(admin: httpx.Client, node_id: str) -> bool:
    series = read(admin, f"/api/admin/nodes/{node_id}/figures")["series"]
    return any(point["disk_free_bytes"] for point in series)


async def test_a_host_that_drains_says_so_everywhere(
    admin: httpx.Client, platform: Platform
) -> None:
    handle = (await connect(platform.settings)).get_workflow_handle(ids.node_workflow(RUNTIME))

    async def says(status: str) -> None:
        async with asyncio.timeout(15):
            while await handle.query("status") != status:
                await asyncio.sleep(0.1)

    try:
        drained = admin.post(f"/api/nodes/{RUNTIME}/drain").json()
        assert (drained["status"], drained["draining"]) == ("DRAINING", True)
        await says("DRAINING")
        assert node(admin, RUNTIME)["status"] == "DRAINING"
    finally:
        assert admin.post(f"/api/nodes/{RUNTIME}/undrain").json()["status"] == "UP"
    await says("UP")
    assert admin.post("/api/nodes/nowhere-1/drain").status_code == 404


async def test_everybodys_work_is_listed_with_its_place_at_temporal(
    admin: httpx.Client, user: User, platform: Platform
) -> None:
    app = await user.app(apps.failing_build())
    deployment_id = await app.deploy()
    await app.ended(deployment_id)
    listed = read(admin, "/api/admin/deployments", status="FAILED", limit=5)
    (found,) = [one for one in listed if one["id"] == deployment_id]
    assert (found["app_name"], found["user_id"]) == ("shop", user.id)
    assert found["email"].endswith("@tests.example")
    path = found["temporal_url"].removeprefix(platform.settings.temporal_ui_url)
    async with httpx.AsyncClient(trust_env=False, timeout=10) as anyone:
        told = await anyone.get(f"{platform.settings.temporal_ui_url}/api/v1{path}")
    assert told.status_code == 200, (path, told.text)
    assert read(admin, "/api/admin/deployments", status=["RUNNING", "PENDING"], limit=1) is not None

    placed = read(admin, f"/api/admin/nodes/{RUNTIME}/placements")
    assert [one["email"] for one in placed["apps"] if one["id"] == app.id] == [found["email"]]
    assert node(admin, RUNTIME)["placed"] == len(placed["apps"])
    assert isinstance(read(admin, "/api/admin/workspaces"), list)


async def test_an_app_is_looked_at_by_its_number_its_slug_or_its_name(
    admin: httpx.Client, user: User
) -> None:
    name = f"Shop {secrets.token_hex(6)}"

    async def made() -> dict[str, Any]:
        answer: dict[str, Any] = ok(await user.api.post("/api/apps", json={"name": name}), 201)
        return answer

    def asked(text: str) -> httpx.Response:
        return admin.get("/api/admin/doctor", params={"symptom": "app-not-reachable", "app": text})

    app = await made()
    for text in (str(app["id"]), app["slug"], f" {name} "):
        hops = {hop["key"]: hop for hop in asked(text).json()["hops"]}
        told = (hops["app"]["code"], hops["app"]["values"])
        assert told == ("app_never_live", {"app": app["slug"]})
    unknown = asked("no such app").json()
    assert (unknown["status"], unknown["field"], unknown["code"]) == (404, "app", "app_unknown")
    other = await made()
    several = asked(name).json()
    assert (several["status"], several["field"]) == (422, "app")
    assert several["values"]["numbers"] == f"{app['id']}, {other['id']}"
    assert asked(other["slug"]).status_code == 200
