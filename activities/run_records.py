"""What a node keeps of runs: which of the engine's commands each is, and how many are busy.

On the user's own disk are the log and the exit code: they are shown, and decide nothing.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from activities.beneath import Folder
from ops.error_codes import ErrorCode
from ops.errors import NodeUnavailable, NotFound, StudioError
from ops.settings import Node, Settings

KEEPS_PREFIX = "keeps-prefix"
LOG_TAIL = 40
TAIL_BYTES = 32 * 1024
KEEP_RECORDS = 20
RESERVED_SECONDS = 60.0
"""A run that was started is followed within this, or was given up."""


def run_records(settings: Settings, node: Node) -> Path:
    """Which of the engine's commands the users' runs are: a folder a user, a file a run."""
    return settings.node_home(node.node_id) / "runs"


@dataclass(frozen=True)
class Begun:
    """What this node keeps of a run: the engine's command, and what ``Run`` says of its prefix."""

    exec_id: str
    keeps_prefix: bool


def log_tail(disk: Folder, run_id: int) -> list[str]:
    """The last lines that a run has printed; none when there are none."""
    try:
        fd = disk.regular(f".studio/runs/{run_id}/log")
    except (OSError, StudioError):
        return []
    with os.fdopen(fd, "rb") as file:
        file.seek(max(0, os.fstat(fd).st_size - TAIL_BYTES))
        return file.read(TAIL_BYTES).decode(errors="replace").splitlines()[-LOG_TAIL:]


def log_gone(run_id: int) -> NotFound:
    """Of each task the last few logs are kept."""
    return NotFound(
        f"there is no log of run {run_id}", code=ErrorCode.RUN_LOG_GONE, values={"run": run_id}
    )


def noted_exit(disk: Folder, run_id: int) -> int | None:
    """The exit code that the launcher left, for when the engine has forgotten it."""
    try:
        fd = disk.regular(f".studio/runs/{run_id}/exit")
    except (OSError, StudioError):
        return None
    with os.fdopen(fd, "rb") as file:
        text = file.read(8).strip()
    return int(text) if text.isdigit() and int(text) < 256 else None


def read_begun(record: Path) -> Begun | None:
    try:
        exec_id, *more = record.read_text().split()
    except FileNotFoundError:
        return None
    return Begun(exec_id, keeps_prefix=KEEPS_PREFIX in more)


def write_begun(record: Path, begun: Begun) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    written = record.with_suffix(".new")
    written.write_text(f"{begun.exec_id} {KEEPS_PREFIX}" if begun.keeps_prefix else begun.exec_id)
    written.rename(record)
    known = [path for path in record.parent.iterdir() if path.name.isdigit()]
    for old in sorted(known, key=lambda path: int(path.name))[:-KEEP_RECORDS]:
        old.unlink(missing_ok=True)


class BusyRuns:
    """Places for the runs of one node, one a user: from the start of a run until its end is seen."""

    def __init__(
        self, most: int, node_id: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._node_id = node_id
        self._clock = clock
        self._until: dict[int, float] = {}

    @contextmanager
    def starting(self, user_id: int) -> Iterator[None]:
        """A place, which is kept for the one who follows. Raises NodeUnavailable without a free one."""
        now = self._clock()
        self._until = {user: until for user, until in self._until.items() if until > now}
        held = self._until.get(user_id)
        if held is None and len(self._until) >= self._most:
            raise NodeUnavailable(
                f"{self._most} runs are busy on {self._node_id}, which is the most",
                code=ErrorCode.RUNS_BUSY,
                values={"limit": self._most, "node": self._node_id},
                hint="try again when one of them has ended",
            )
        self._until[user_id] = max(held or 0, now + RESERVED_SECONDS)
        try:
            yield
        except BaseException:
            if held is None:
                self._until.pop(user_id, None)
            raise

    @contextmanager
    def followed(self, user_id: int) -> Iterator[None]:
        self._until[user_id] = math.inf
        try:
            yield
        finally:
            self._until.pop(user_id, None)
