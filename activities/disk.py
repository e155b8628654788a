"""What user code writes to the disk that its whole host stands on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

import psutil

LOOK_SECONDS = 1.0
ENTRY_BYTES = 4096
"""What a file counts for at the least: empty ones use up the disk's inodes."""


async def until_low(folder: Path, floor_mb: int) -> None:
    """Returns once less than ``floor_mb`` is free where ``folder`` lies."""
    while True:
        if psutil.disk_usage(str(folder)).free < floor_mb * 1024 * 1024:
            return
        await asyncio.sleep(LOOK_SECONDS)


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
