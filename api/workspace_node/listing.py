"""What a folder holds, without following a link. Blocking."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Any

from activities.beneath import LONGEST_PATH, NEW_SUFFIX, Folder

IGNORED = frozenset(
    {
        *("node_modules", ".git", "dist", ".next", ".nuxt", ".svelte-kit", ".cache", ".vite"),
        *(".venv", "venv", "__pycache__", ".pytest_cache", ".mypy_cache", "coverage", ".turbo"),
    }
)
MOST_ENTRIES = 20_000


def kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"


def walk(
    root: Folder, start: str = "", *, everything: bool = False
) -> Iterator[tuple[str, os.stat_result, Folder, str]]:
    """Everything below ``start``: path, stat, the open folder that holds it, and its name there.

    Ignored folders are left out; a folder that goes away meanwhile is passed over.
    """
    waiting = [start]
    while waiting:
        path = waiting.pop()
        try:
            folder = root.folder(path)
        except OSError:
            if path == start:
                raise
            continue
        below = []
        with folder, os.scandir(folder.fd) as entries:
            for entry in entries:
                name = entry.name
                if (name in IGNORED and not everything) or name.endswith(NEW_SUFFIX):
                    continue
                try:
                    found = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                full = f"{path}/{name}" if path else name
                yield full, found, folder, name
                if stat.S_ISDIR(found.st_mode) and len(full) < LONGEST_PATH:
                    below.append(full)
        waiting.extend(reversed(below))


def tree(root: Folder, path: str, *, everything: bool = False) -> dict[str, Any]:
    """``truncated`` when there is more than an answer holds."""
    entries: list[dict[str, Any]] = []
    truncated = False
    for full, found, _, _ in walk(root, path, everything=everything):
        if len(entries) >= MOST_ENTRIES:
            truncated = True
            break
        entries.append(
            {
                "path": full.encode(errors="surrogateescape").decode(errors="replace"),
                "type": kind(found.st_mode),
                "size": found.st_size,
                "mtime": found.st_mtime,
            }
        )
    return {"entries": entries, "truncated": truncated}
