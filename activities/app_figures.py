"""What each app takes of its runtime node, read from the kernel's cgroup files for Prometheus.

The engine's own figures take it a second a container; these are two small files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import structlog
from docker.errors import DockerException

from activities.boundary import in_thread
from activities.containers import Containers
from activities.watches import for_ever
from ops.metrics import REPORT_SECONDS, metrics

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")

log = structlog.get_logger()


@dataclass(frozen=True)
class Use:
    """``cpu_seconds`` since the container started; ``memory`` in bytes, without what is only cache."""

    cpu_seconds: float
    memory: int


def read_use(pid: int, *, proc: Path = PROC, cgroups: Path = CGROUPS) -> Use | None:
    """What the container of a process takes; None when it is gone. Both versions of cgroups."""
    try:
        groups = _groups((proc / str(pid) / "cgroup").read_text())
        if "memory" in groups:
            memory = cgroups / "memory" / groups["memory"]
            used = int((memory / "memory.usage_in_bytes").read_text())
            cache = _field(memory / "memory.stat", "total_inactive_file")
            cpu = cgroups / "cpuacct" / groups["cpuacct"] / "cpuacct.usage"
            seconds = int(cpu.read_text()) / 1e9
        else:
            own = cgroups / groups[""]
            used = int((own / "memory.current").read_text())
            cache = _field(own / "memory.stat", "inactive_file")
            seconds = _field(own / "cpu.stat", "usage_usec") / 1e6
    except (OSError, KeyError, ValueError):
        return None
    return Use(cpu_seconds=seconds, memory=max(0, used - cache))


def _groups(text: str) -> dict[str, str]:
    """Controller to path, from ``/proc/{pid}/cgroup``; the one of version 2 has an empty name."""
    found = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path.lstrip("/")
    return found


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    raise ValueError(f"{path} has no {name}")


class AppFigures:
    """The apps of one runtime node. A gone app stays known, with nothing that it takes."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers
        self._last: dict[str, Use] | None = None
        self._cpu: dict[int, float] = {}

    async def watch(self) -> None:
        """For as long as the worker runs."""
        await for_ever(
            "app_figures",
            lambda: in_thread(self.report),
            REPORT_SECONDS,
            away=(DockerException,),
        )

    def report(self) -> None:
        memory = dict.fromkeys(self._cpu, 0)
        seen: dict[str, Use] = {}
        for container in self._containers.of_app():
            if not container.running:
                continue
            found = self._containers.inspect(container.name)
            use = read_use(found["State"]["Pid"]) if found else None
            if use is None:
                continue
            seen[container.name] = use
            app_id = container.app_id
            self._cpu[app_id] = self._cpu.get(app_id, 0.0) + self._spent(container.name, use)
            memory[app_id] = memory.get(app_id, 0) + use.memory
        self._last = seen
        for app_id, cpu_seconds in self._cpu.items():
            metrics().app(app_id, cpu_seconds=cpu_seconds, memory=memory.get(app_id, 0))

    def _spent(self, name: str, use: Use) -> float:
        """Processor time since the report before."""
        if self._last is None:
            # The worker has just started: what was spent before is no burst of this moment.
            return 0.0
        before = self._last.get(name)
        if before is None or before.cpu_seconds > use.cpu_seconds:  # new, or started anew
            return use.cpu_seconds
        return use.cpu_seconds - before.cpu_seconds
