"""Build steps that outlived the build engine.

A step ends with its build, as long as the engine lives to end it. When the engine itself is killed,
its steps run on under no one: they are told by their parent, which is no longer ``runc``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from activities.child import GONE_SECONDS, POLL_SECONDS, start_time
from ops.errors import PlatformError
from ops.settings import Settings

CGROUPS = Path("/sys/fs/cgroup")
RUNTIME = "runc"

log = structlog.get_logger()


def kill_orphans(settings: Settings) -> int:
    """Kills steps of engines that are gone; how many steps there were. Blocks until they ended."""
    count = 0
    for group in _step_groups(settings.platform):
        if _is_orphan(group):
            log.warning("build.orphan", group=group.name)
            kill_all(group)
            count += 1
    return count


def _step_groups(platform: str) -> Iterator[Path]:
    """The control group of every build step, in version 1 (by controller) or 2."""
    for root in (CGROUPS / "pids", CGROUPS):
        parent = root / f"{platform}-builds" / "buildkit"
        if parent.is_dir():
            yield from (group for group in parent.iterdir() if group.is_dir())
            return


def _is_orphan(group: Path) -> bool:
    """Whether the step's first process, whose parent is outside of the group, is without runc."""
    pids = _pids(group)
    for pid in pids:
        parent = _parent(pid)
        if parent is not None and parent not in pids:
            return _name(parent) != RUNTIME
    return False


def kill_all(group: Path) -> None:
    """Kills what is in the group until nothing is, however fast it forks."""
    deadline = time.monotonic() + GONE_SECONDS
    while alive := [pid for pid in _pids(group) if start_time(pid) is not None]:
        if time.monotonic() > deadline:
            raise PlatformError(f"the processes of build step {group.name} do not end")
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def _pids(group: Path) -> set[int]:
    try:
        return {int(line) for line in (group / "cgroup.procs").read_text().split()} - {0}
    except OSError:
        return set()


def _parent(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[1])


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
