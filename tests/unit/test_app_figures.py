"""What an app takes is read from cgroup files of either version, and told without bursts or ghosts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from activities import app_figures
from activities.app_figures import AppFigures, Use, read_use
from activities.contracts.nodes import ContainerSeen
from ops.cli_figures import bars


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_version_1(tmp_path: Path) -> None:
    write(
        tmp_path / "proc/7/cgroup", "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/docker\n"
    )
    groups = tmp_path / "cgroup"
    write(groups / "memory/docker/abc/memory.usage_in_bytes", "5000\n")
    write(groups / "memory/docker/abc/memory.stat", "cache 4000\ntotal_inactive_file 1000\n")
    write(groups / "cpuacct/docker/abc/cpuacct.usage", "2500000000\n")
    assert read_use(7, proc=tmp_path / "proc", cgroups=groups) == Use(2.5, 4000)


def test_version_2(tmp_path: Path) -> None:
    write(tmp_path / "proc/7/cgroup", "0::/system.slice/docker-abc.scope\n")
    own = tmp_path / "cgroup/system.slice/docker-abc.scope"
    write(own / "memory.current", "5000\n")
    write(own / "memory.stat", "file 2\ninactive_file 1000\n")
    write(own / "cpu.stat", "usage_usec 2500000\nuser_usec 1\n")
    assert read_use(7, proc=tmp_path / "proc", cgroups=tmp_path / "cgroup") == Use(2.5, 4000)


def test_a_process_that_is_gone_takes_nothing(tmp_path: Path) -> None:
    assert read_use(7, proc=tmp_path, cgroups=tmp_path) is None


class Told:
    def __init__(self) -> None:
        self.apps: dict[int, tuple[float, int]] = {}

    def app(self, app_id: int, *, cpu_seconds: float, memory: int) -> None:
        self.apps[app_id] = (cpu_seconds, memory)


def test_releases_add_up_and_a_gone_app_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    uses: dict[str, Use] = {"app-1-1": Use(100.0, 10)}

    def seen() -> list[ContainerSeen]:
        return [
            ContainerSeen(name=name, app_id=1, release_id=int(name[-1]), running=True)
            for name in uses
        ]

    containers: Any = SimpleNamespace(
        of_app=seen, inspect=lambda name: {"State": {"Pid": list(uses).index(name)}}
    )
    told = Told()
    monkeypatch.setattr(app_figures, "metrics", lambda: told)
    monkeypatch.setattr(app_figures, "read_use", lambda pid: list(uses.values())[pid])
    figures = AppFigures(containers)
    figures.report()
    assert told.apps == {1: (0.0, 10)}  # what was before this worker started is no burst
    uses |= {"app-1-1": Use(101.0, 10), "app-1-2": Use(0.5, 7)}
    figures.report()
    assert told.apps == {1: (1.5, 17)}
    del uses["app-1-1"]
    uses["app-1-2"] = Use(0.25, 7)  # started anew
    figures.report()
    assert told.apps == {1: (1.75, 7)}
    uses.clear()
    figures.report()
    assert told.apps == {1: (1.75, 0)}


def test_a_plot_shows_gaps_and_never_more_than_its_width() -> None:
    assert bars([0.0, None, 1.0], 60) == "▁ █"
    assert bars([0.0, 0.0], 60) == "▁▁"
    assert len(bars([1.0] * 121, 60)) <= 60
