"""What apps write to their containers is looked at at times, and at once when the disk fills fast."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import DockerException

from activities import layers
from activities.contracts.nodes import ContainerSeen
from activities.contracts.runtime import RemoveInput
from activities.layers import FAST_MB, LOOK_SECONDS, Layers
from ops.settings import Settings

MB = 1024 * 1024


class Containers:
    """The containers of one app."""

    def __init__(self, layer: Path) -> None:
        self.layer = layer
        self.looks = 0
        self.removed: list[str] = []
        self.away = False

    def of_app(self) -> list[ContainerSeen]:
        self.looks += 1
        if self.away:
            raise DockerException("the engine is away")
        return [ContainerSeen(name="app-1-7", app_id=1, release_id=7, running=True, address=None)]

    def inspect(self, container: str) -> dict[str, Any]:
        return {"GraphDriver": {"Data": {"UpperDir": str(self.layer)}}}

    async def remove_container(self, given: RemoveInput) -> None:
        self.removed.append(given.container)


class Disk:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.free = 100_000 * MB
        monkeypatch.setattr(layers, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(layers, "free", lambda *_: self.free)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
def containers(tmp_path: Path) -> Containers:
    return Containers(tmp_path)


@pytest.fixture
def watched(tmp_path: Path, containers: Containers, monkeypatch: pytest.MonkeyPatch) -> Layers:
    of_node: Any = containers
    made = Layers(Settings(home=tmp_path, app_disk_mb=1), "runtime-102", of_node)

    async def tell(release_id: int) -> None:
        """Nobody is told in a log."""

    monkeypatch.setattr(made, "_tell", tell)
    return made


async def test_while_nothing_fills_it_is_looked_at_at_times(
    watched: Layers, containers: Containers, disk: Disk
) -> None:
    for _ in range(11):
        await watched.glance()
        disk.now += 1
    assert containers.looks == 1 + 10 // LOOK_SECONDS


async def test_what_fills_the_disk_fast_is_found_at_once(
    watched: Layers, containers: Containers, disk: Disk, tmp_path: Path
) -> None:
    assert await watched.glance() == []
    disk.now += 1
    disk.free -= (FAST_MB - 1) * MB
    assert await watched.glance() == []
    assert containers.looks == 1
    (tmp_path / "large").write_bytes(b"x" * 2 * MB)
    disk.free -= MB
    assert await watched.glance() == ["app-1-7"]
    assert containers.removed == ["app-1-7"]
    # What was written until then does not count again.
    disk.free -= MB
    assert await watched.glance() == []
    assert containers.looks == 2


async def test_an_engine_that_is_away_is_asked_no_more_often(
    watched: Layers, containers: Containers, disk: Disk
) -> None:
    containers.away = True
    with pytest.raises(DockerException):
        await watched.glance()
    disk.now += 1
    assert await watched.glance() == []
    assert containers.looks == 1
