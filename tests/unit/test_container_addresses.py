"""Which address a new container gets: none that a route leads to, whoever's it is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError, NotFound
from pydantic import SecretStr

from activities.containers import Containers
from activities.contracts.base import Release
from activities.contracts.runtime import RemoveInput, RouteTarget, StartInput
from activities.routes import Routes
from ops.settings import Settings

FIRST, SECOND, THIRD = "172.28.0.10", "172.28.0.11", "172.28.0.12"


class Engine:
    """Has every image, and the containers that were made; as much of Docker's answers as is read."""

    def __init__(self) -> None:
        self.made: dict[str, dict[str, Any]] = {}

    def inspect_image(self, image: str) -> dict[str, Any]:
        return {"Config": {}}

    def create_endpoint_config(self, ipv4_address: str) -> dict[str, str]:
        return {"IPv4Address": ipv4_address}

    def create_host_config(self, **values: Any) -> dict[str, Any]:
        return values

    def create_networking_config(self, networks: dict[str, Any]) -> dict[str, Any]:
        return {name: {"IPAMConfig": own} for name, own in networks.items()}

    def create_container(
        self,
        image: str,
        *,
        name: str,
        labels: dict[str, str],
        networking_config: dict[str, Any],
        **values: Any,
    ) -> None:
        self.made[name] = {
            "Names": [f"/{name}"],
            "Labels": labels,
            "State": "created",
            "NetworkSettings": {"Networks": networking_config},
        }

    def containers(self, **filters: Any) -> list[dict[str, Any]]:
        return list(self.made.values())

    def inspect_container(self, name: str) -> dict[str, Any]:
        if name not in self.made:
            raise NotFound("no such container")
        return self.made[name]

    def start(self, name: str) -> None:
        assert name in self.made

    def remove_container(self, name: str, **how: Any) -> None:
        self.made.pop(name)


async def no_environment(deployment_id: int) -> dict[str, SecretStr]:
    return {}


@pytest.fixture
def routes(tmp_path: Path) -> Routes:
    return Routes(Settings(home=tmp_path), "runtime-102")


@pytest.fixture
def containers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, routes: Routes) -> Containers:
    monkeypatch.setattr("activities.containers.EngineClient", lambda socket: Engine())
    settings = Settings(home=tmp_path)
    control: Any = SimpleNamespace(environment=no_environment)
    return Containers(settings, settings.node("runtime-102"), control, routes)


async def started(containers: Containers, app_id: int, release_id: int = 7) -> str:
    """The address of an app's container."""
    given = StartInput(
        deployment_id=release_id,
        release_id=release_id,
        app_id=app_id,
        user_id=app_id,
        container=f"app-{app_id}-{release_id}",
        release=Release(repository=f"u{app_id}-app{app_id}", digest="sha256:abc", commit="c" * 40),
    )
    return (await containers.start_container(given)).address


async def live(containers: Containers, routes: Routes, app_id: int, release_id: int = 7) -> str:
    """The same, once its route leads to it."""
    address = await started(containers, app_id, release_id)
    target = RouteTarget(release_id=release_id, address=address, port=3000)
    routes.write(app_id, f"shop-{app_id}", target)
    return address


async def lost(containers: Containers, app_id: int, release_id: int = 7) -> None:
    container = f"app-{app_id}-{release_id}"
    await containers.remove_container(RemoveInput(app_id=app_id, container=container))


async def test_the_visitors_of_an_app_that_lost_its_container_reach_nobody_else(
    containers: Containers, routes: Routes
) -> None:
    assert await live(containers, routes, app_id=1) == FIRST
    await lost(containers, app_id=1)
    assert await started(containers, app_id=2) == SECOND


async def test_an_app_that_is_repaired_gets_visitors_once_its_route_is_led_to_it(
    containers: Containers, routes: Routes
) -> None:
    assert await live(containers, routes, app_id=1) == FIRST
    await lost(containers, app_id=1)
    # Repaired by two attempts, of which the first was killed before it could say what it made.
    assert [await started(containers, app_id=1) for _ in range(2)] == [SECOND, SECOND]
    assert await live(containers, routes, app_id=1) == SECOND
    assert await started(containers, app_id=2) == FIRST


async def test_a_release_beside_one_that_is_lost_is_not_taken_for_it(
    containers: Containers, routes: Routes
) -> None:
    assert await live(containers, routes, app_id=1) == FIRST
    await lost(containers, app_id=1)
    assert await started(containers, app_id=1, release_id=8) == SECOND
    assert await started(containers, app_id=2) == THIRD


async def test_a_container_that_another_attempt_makes_meanwhile_has_its_own_address(
    containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = containers._api
    create = engine.create_container

    def overtaken(image: str, *, networking_config: dict[str, Any], **values: Any) -> None:
        network = containers._node.bridge
        other = {network: engine.create_endpoint_config(ipv4_address=THIRD)}
        create(image, networking_config=engine.create_networking_config(other), **values)
        taken: Any = SimpleNamespace(status_code=409)
        raise APIError("the name is in use", response=taken)

    monkeypatch.setattr(engine, "create_container", overtaken)
    assert await started(containers, app_id=1) == THIRD


async def test_an_address_is_free_again_once_its_route_is_gone(
    containers: Containers, routes: Routes
) -> None:
    assert await live(containers, routes, app_id=1) == FIRST
    await lost(containers, app_id=1)
    routes.remove(1)
    assert await started(containers, app_id=2) == FIRST
