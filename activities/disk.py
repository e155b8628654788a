"""What user code writes to the disk that its whole host stands on."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from ops.error_codes import ErrorCode
from ops.errors import NoRoom

MEGABYTE = 1024 * 1024
LOOK_SECONDS = 1.0
ENTRY_BYTES = 4096
"""What a file counts for at the least: empty ones use up the disk's inodes."""


async def until_low(folder: Path, floor_mb: int) -> None:
    """Returns once less than ``floor_mb`` is free where ``folder`` lies."""
    while True:
        if free(folder) < floor_mb * MEGABYTE:
            return
        await asyncio.sleep(LOOK_SECONDS)


def free(*folders: Path) -> int:
    """Bytes that are free where ``folders`` lie: on the fullest of their disks."""
    return min(psutil.disk_usage(str(folder)).free for folder in folders)


class Room:
    """The disks that an image is written to. The platform's own records are on them too."""

    def __init__(self, host: str, floor_mb: int, *folders: Path) -> None:
        self._host = host
        self._floor_mb = floor_mb
        self._folders = folders
        self._looked = -LOOK_SECONDS

    def check(self, adds: int = 0) -> None:
        """Raises NoRoom when less than the floor would stay free after ``adds`` bytes more."""
        needed = self._floor_mb + adds // MEGABYTE
        left = free(*self._folders) // MEGABYTE
        if left >= needed:
            return
        raise NoRoom(
            f"{self._host} has no room for the image: {left} MB are free, {needed} MB have to be",
            code=ErrorCode.NO_ROOM_FOR_IMAGE,
            values={"node": self._host, "free": left, "needed": needed},
            hint="delete what nobody needs any more, or tell an administrator",
            host=self._host,
        )

    def watch(self) -> None:
        """The same from a loop, which may ask as often as it likes."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            self.check()


def written(folders: Iterable[Path], enough: int) -> int:
    """Bytes that the files below ``folders`` take, counted until there are ``enough``.

    No link is followed, though whoever owns the files changes them meanwhile. Folders so deep in
    each other that walking them fails count as enough.
    """
    total = 0
    for top in folders:
        try:
            for _, _, names, folder in os.fwalk(top):
                total += ENTRY_BYTES
                for name in names:
                    total += _size(name, folder)
                if total >= enough:
                    return total
        except RecursionError:
            return enough
        except OSError:
            # It went away while it was walked.
            continue
    return total


def _size(name: str, folder: int) -> int:
    try:
        blocks = os.stat(name, dir_fd=folder, follow_symlinks=False).st_blocks
    except OSError:
        return 0
    return max(ENTRY_BYTES, blocks * 512)
