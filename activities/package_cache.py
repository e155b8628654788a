"""The cache of npm packages is kept below a size: what nobody has read for longest goes first.

Verdaccio fetches again whatever is not there, the list of a package's versions as well as its
tarballs. Lists count too: each of npm's millions of packages has one, and anybody may ask for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from activities.boundary import in_thread
from activities.watches import for_ever
from ops.settings import Settings

LOOK_SECONDS = 60.0
BLOCK = 512

log = structlog.get_logger()


@dataclass(frozen=True)
class _Kept:
    """``used`` is right to a day, as that is how often a kernel notes that a file is read."""

    path: str
    bytes: int
    used: float


class PackageCache:
    """The cache of one host; several workers there may look after it at once."""

    def __init__(self, settings: Settings) -> None:
        self._keep = settings.package_cache_mb * 1024 * 1024
        self._folder = settings.data / "verdaccio" / "storage"

    async def watch(self) -> None:
        """For as long as the worker runs."""
        await for_ever("package_cache", lambda: in_thread(self.prune), LOOK_SECONDS)

    def prune(self) -> int:
        """How many bytes were freed. What is being read meanwhile is read to its end."""
        found = list(_files(self._folder))
        over = sum(file.bytes for file in found) - self._keep
        freed = 0
        for file in sorted(found, key=lambda file: file.used):
            if freed >= over:
                break
            _remove(Path(file.path), self._folder)
            freed += file.bytes
        if freed:
            log.info("package_cache.pruned", freed=freed, keep=self._keep)
        return freed


def _files(folder: Path) -> Iterator[_Kept]:
    """Of the packages' own folders; beside them is what Verdaccio keeps of itself."""
    for path, _, names in os.walk(folder):
        if path == str(folder):
            continue
        for name in names:
            try:
                status = os.lstat(os.path.join(path, name))
            except FileNotFoundError:
                continue
            yield _Kept(
                path=os.path.join(path, name),
                bytes=status.st_blocks * BLOCK,
                used=max(status.st_atime, status.st_mtime),
            )


def _remove(file: Path, storage: Path) -> None:
    """A file, and the folders above it that are empty then; already gone is success."""
    file.unlink(missing_ok=True)
    folder = file.parent
    while folder != storage:
        try:
            folder.rmdir()
        except OSError:  # not empty, or gone
            return
        folder = folder.parent
