"""The registry's process: collects also on a machine that starts anew every day, and tells when it
did not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from ops import image_registry
from ops.image_registry import FIGURE, ImageRegistry, Stamp
from ops.settings import Settings
from ops.stack import files, programs

HOUR = 3600.0
DAY = 24 * HOUR
USER = pwd.getpwuid(os.getuid()).pw_name

SERVER = """#!/bin/sh
echo "$1 $REGISTRY_STORAGE_MAINTENANCE_READONLY" >> "{calls}"
[ "$1" = serve ] && exec sleep 600
while ! tail -n 2 "{calls}" | grep -q enabled; do sleep 0.05; done
exit "$(cat {code})"
"""
"""What serves until it is ended, and collects in no time beside one that is for reading only."""


class Registry:
    """As it is started again and again in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.stamp = folder / "figures.prom"
        self.calls_file = folder / "calls"
        self.collecting_exits_with(0)
        program = folder / "registry"
        program.write_text(SERVER.format(calls=self.calls_file, code=folder / "code"))
        program.chmod(0o755)
        self.program = program

    def collecting_exits_with(self, code: int) -> None:
        (self._folder / "code").write_text(str(code))

    def collected_ago(self, seconds: float) -> None:
        self.stamp.touch()
        at = time.time() - seconds
        os.utime(self.stamp, (at, at))

    @property
    def age(self) -> float:
        return time.time() - self.stamp.stat().st_mtime

    def calls(self) -> list[str]:
        return self.calls_file.read_text().split("\n")[:-1] if self.calls_file.exists() else []

    def collections(self) -> int:
        return sum(call.startswith("garbage-collect") for call in self.calls())

    @asynccontextmanager
    async def runs(self, every: float = DAY) -> AsyncIterator[None]:
        registry = ImageRegistry("config", USER, every, Stamp(self.stamp))
        running = asyncio.create_task(registry.run())
        await eventually(lambda: bool(self.calls()))
        try:
            yield
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            assert await asyncio.wait_for(running, 5) == 0
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
                loop.remove_signal_handler(number)


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


async def never(holds: Callable[[], bool], seconds: float = 0.5) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.01)
    assert not holds()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    made = Registry(tmp_path)
    monkeypatch.setattr(image_registry, "BINARY", str(made.program))
    monkeypatch.setattr(image_registry, "SOON", 0.2)
    return made


async def test_what_is_overdue_is_collected_soon_after_the_start(registry: Registry) -> None:
    """However short it ran each time."""
    registry.collected_ago(2 * DAY)
    async with registry.runs():
        assert registry.collections() == 0
        await eventually(lambda: registry.calls()[-1:] == ["serve "] and len(registry.calls()) > 3)
    first, *meanwhile, last = registry.calls()
    assert (first, last) == ("serve ", "serve ")
    assert sorted(meanwhile) == ["garbage-collect ", "serve {enabled: true}"]
    assert registry.age < 10


async def test_what_was_collected_lately_is_not_collected_at_the_start(registry: Registry) -> None:
    registry.collected_ago(HOUR)
    async with registry.runs():
        await never(lambda: registry.collections() > 0)
    assert registry.age > HOUR - 10


async def test_a_first_start_counts_from_then_on(registry: Registry) -> None:
    async with registry.runs():
        await never(lambda: registry.collections() > 0)
    assert registry.age < 10
    registry.collected_ago(DAY - 0.5)
    async with registry.runs():
        await eventually(lambda: registry.collections() == 1)


async def test_a_clock_that_was_set_back_puts_nothing_off(registry: Registry) -> None:
    registry.collected_ago(-365 * DAY)
    async with registry.runs(every=0.3):
        await eventually(lambda: registry.collections() > 0)


async def test_a_collection_that_fails_is_tried_again_and_does_not_count(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_registry, "AGAIN", 0.3)
    registry.collected_ago(2 * DAY)
    registry.collecting_exits_with(1)
    async with registry.runs():
        await eventually(lambda: registry.collections() == 2)
        assert registry.age > DAY
        registry.collecting_exits_with(0)
        await eventually(lambda: registry.age < 10)
        collections = registry.collections()
        await never(lambda: registry.collections() > collections)


async def test_it_serves_also_where_nothing_can_be_kept(registry: Registry) -> None:
    registry.stamp = registry.stamp.parent / "missing" / "figures.prom"
    async with registry.runs():
        await never(lambda: registry.collections() > 0)


def test_when_it_was_collected_is_a_figure_with_an_alert(tmp_path: Path) -> None:
    stamp = Stamp(tmp_path / "registry.prom")
    at = stamp.write()
    told = (tmp_path / "registry.prom").read_text().splitlines()
    assert [line for line in told if not line.startswith("# ")] == [f"{FIGURE} {at:.0f}"]
    assert [path.name for path in tmp_path.iterdir()] == ["registry.prom"]

    settings = Settings(registry_gc_hours=24)
    (read,) = (one for one in programs.node_exporter(settings).command if "textfile" in one)
    command = programs.registry(settings).command
    written = Path(command[command.index("--stamp") + 1])
    assert (str(written.parent), written.suffix) == (read.partition("=")[2], ".prom")
    (group,) = yaml.safe_load(files.alerts(settings))["groups"]
    rules = {rule["alert"]: rule["expr"] for rule in group["rules"]}
    assert rules["RegistryNotCollected"] == f"time() - {FIGURE} > {26 * 3600}"
