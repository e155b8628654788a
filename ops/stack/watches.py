"""The kernel's limits on watching files and sockets: raised for workspaces, and given back.

They are counted by user, and to the kernel all workspaces are one user: with the usual limits, one
of them could keep all others from it. Each of these objects also counts towards the memory of the
container that made it, and that limit is everybody's own.

All platforms of a machine share them, so what was before is kept by the machine, in a place that a
restart of it empties as it does the limits.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

RECORD = Path("/run/fun-ai-studio-watches.json")
LIMITS = tuple(
    Path("/proc/sys/fs") / name
    for name in (
        "inotify/max_user_instances",
        "inotify/max_user_watches",
        "epoll/max_user_watches",
    )
)
MOST = 2**31 - 1


class Record(BaseModel):
    """What the limits were, and the platforms that need them raised."""

    before: dict[Path, int] = {}
    platforms: set[str] = set()


def raise_limits(platform: str) -> None:
    """Beyond reach; for as long as this platform is there."""
    with _record() as record:
        record.platforms.add(platform)
        found = {limit: int(limit.read_text()) for limit in LIMITS}
        record.before |= {limit: value for limit, value in found.items() if value < MOST}
    # What was before is on record by now, whatever ends this here.
    for limit in LIMITS:
        limit.write_text(str(MOST))


def give_back(platform: str) -> None:
    """This platform needs them no more. A limit that somebody else has set meanwhile stays."""
    with _record() as record:
        record.platforms.discard(platform)
        if record.platforms:
            return
        for limit, before in record.before.items():
            if int(limit.read_text()) == MOST:
                limit.write_text(str(before))
        record.before.clear()


@contextmanager
def _record() -> Iterator[Record]:
    """The record, which is written back; one process at a time."""
    with RECORD.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        record = Record.model_validate_json(text) if text else Record()
        yield record
        file.truncate(0)
        file.write(record.model_dump_json())
