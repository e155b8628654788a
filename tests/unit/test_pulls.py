"""From the registry to the engine that runs apps: on a disk with room, until nobody waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import ImageNotFound, NotFound
from pydantic import SecretStr

from activities import disk
from activities.containers import Containers
from activities.contracts.base import Release
from activities.contracts.runtime import StartInput
from activities.pulls import ensure_image
from activities.routes import Routes
from activities.threads import Stop
from ops.error_codes import ErrorCode
from ops.errors import NoRoom, PlatformError
from ops.settings import Settings

IMAGE = "registry/apps/u1-app1@sha256:abc"
MB = 1024 * 1024


class Engine:
    """One whose pull tells of itself until it is done or closed."""

    def __init__(self, root: Path, events: int = 3, fails: str = "") -> None:
        self.root = root
        self.events = events
        self.fails = fails
        self.there = False
        self.told = 0
        self.closed = False
        self.pulling = threading.Event()

    def info(self) -> dict[str, str]:
        return {"DockerRootDir": str(self.root)}

    def inspect_container(self, name: str) -> dict[str, Any]:
        raise NotFound("no such container")

    def inspect_image(self, image: str) -> dict[str, Any]:
        if not self.there:
            raise ImageNotFound("no such image")
        return {"Config": {"User": "1001"}}

    def pull(self, image: str, **how: Any) -> Iterator[dict[str, str]]:
        assert how["auth_config"] == {"username": "node-runtime-102", "password": "token"}
        try:
            while self.told < self.events:
                self.told += 1
                self.pulling.set()
                yield {"error": self.fails} if self.fails else {"status": "Downloading"}
            self.there = True
        finally:
            self.closed = True


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(disk, "free", lambda *_: 10**12)
    made = Settings(home=tmp_path)
    made.secrets.mkdir()
    made.data.mkdir()
    (made.secrets / "node-runtime-102").write_text("token")
    return made


async def no_environment(deployment_id: int) -> dict[str, SecretStr]:
    return {}


def pulled(settings: Settings, engine: Engine, stop: Stop | None = None) -> str | None:
    node = settings.node("runtime-102")
    return ensure_image(engine, settings, node, IMAGE, stop or Stop())


def free_mb(monkeypatch: pytest.MonkeyPatch, **megabytes: int) -> None:
    """By the name of the folder that is looked at."""
    monkeypatch.setattr(
        disk, "free", lambda *folders: min(megabytes[one.name] for one in folders) * MB
    )


def test_what_is_there_is_not_pulled_whatever_is_free(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_mb(monkeypatch, data=0)
    engine = Engine(tmp_path)
    engine.there = True
    assert pulled(settings, engine) == "1001"
    assert engine.told == 0


def test_nothing_is_pulled_to_a_disk_below_the_floor(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever it is: the records', or the engine's own."""
    engine = Engine(tmp_path / "docker")
    engine.root.mkdir()
    low, high = settings.disk_floor_mb - 1, settings.disk_floor_mb
    for data, docker in ((low, high), (high, low)):
        free_mb(monkeypatch, data=data, docker=docker)
        with pytest.raises(NoRoom) as refused:
            pulled(settings, engine)
        assert refused.value.code is ErrorCode.NO_ROOM_FOR_IMAGE
        assert refused.value.host == "runtime-102"
    assert engine.told == 0
    free_mb(monkeypatch, data=high, docker=high)
    assert pulled(settings, engine) == "1001"


def test_a_pull_ends_when_the_disk_fills_meanwhile(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "LOOK_SECONDS", 0)
    engine = Engine(tmp_path / "elsewhere", events=1000)
    monkeypatch.setattr(disk, "free", lambda *_: (2100 - engine.told * 10) * MB)
    with pytest.raises(NoRoom):
        pulled(settings, engine)
    assert engine.told < 10
    assert engine.closed


def test_what_the_registry_refuses_is_told(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(PlatformError) as refused:
        pulled(settings, Engine(tmp_path, fails="manifest unknown"))
    assert refused.value.log_tail == ["manifest unknown"]


async def test_a_cancel_ends_a_pull_in_the_middle(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(tmp_path, events=10**9)
    monkeypatch.setattr("activities.containers.EngineClient", lambda socket: engine)
    control: Any = SimpleNamespace(environment=no_environment)
    node = settings.node("runtime-102")
    containers = Containers(settings, node, control, Routes(settings, node.node_id))
    release = Release(repository="u1-app1", digest="sha256:abc", commit="c" * 40)
    given = StartInput(
        deployment_id=7,
        release_id=7,
        app_id=1,
        user_id=1,
        container="app-1-7",
        release=release,
    )
    starting = asyncio.ensure_future(containers.start_container(given))
    try:
        assert await asyncio.to_thread(engine.pulling.wait, 5)
        starting.cancel()
        done, _ = await asyncio.wait([starting], timeout=5)
        assert done, "nobody waits for it, and it goes on"
        assert starting.cancelled()
        assert engine.closed
        assert not engine.there
    finally:
        engine.events = 0
