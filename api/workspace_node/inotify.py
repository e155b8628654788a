"""Changes below a folder, told by the kernel (inotify(7)). Links are never followed.

A general watcher would walk through links, out of the folder and all over the host.
"""

from __future__ import annotations

import ctypes
import os
import re
import stat
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from activities.beneath import NEW_SUFFIX, Folder
from api.workspace_node.listing import IGNORED, walk

CREATE, DELETE, CLOSE_WRITE = 0x100, 0x200, 0x8
MOVED_FROM, MOVED_TO, ATTRIB = 0x40, 0x80, 0x4
OVERFLOW, IGNORED_WATCH, UNMOUNTED, IS_FOLDER = 0x4000, 0x8000, 0x2000, 0x40000000
ONLY_FOLDERS = 0x01000000
MASK = CREATE | DELETE | CLOSE_WRITE | MOVED_FROM | MOVED_TO | ONLY_FOLDERS
MOST_FOLDERS = 4000
EVENT = struct.Struct("iIII")
READ_BYTES = 64 * 1024
UNNAMED = re.compile(r"#\d+")
"""What the kernel calls a file that was opened without a name (O_TMPFILE)."""

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Change:
    path: str
    what: str
    """``created``, ``modified`` or ``deleted``."""


class Gone(Exception):
    """Nothing more will be told: the disk was taken away."""


class Lost(Exception):
    """More happened than was told: whoever follows has to look at everything anew."""


class Watch:
    """Watches the folders below one folder, but ignored ones. ``opened`` opens it for a moment.

    No descriptor of the disk is kept, so that it can be taken away. All but ``fd`` blocks.
    """

    def __init__(self, opened: Callable[[], AbstractContextManager[Folder]]) -> None:
        self._opened = opened
        self._paths: dict[int, str] = {}
        self.fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "no more folders can be watched on this host")
        try:
            with opened() as root:
                self._add(root, "")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Also of one that is closed."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        # A response that nobody came to read has never come to its end.
        self.close()

    def read(self) -> list[Change]:
        """What was told since. Raises Gone or Lost."""
        try:
            data = os.read(self.fd, READ_BYTES)
        except BlockingIOError:
            return []
        changes: dict[str, str] = {}
        at = 0
        while at < len(data):
            number, mask, _, length = EVENT.unpack_from(data, at)
            name = os.fsdecode(data[at + EVENT.size : at + EVENT.size + length].rstrip(b"\0"))
            at += EVENT.size + length
            self._one(number, mask, name, changes)
        return [Change(path, what) for path, what in changes.items()]

    def _one(self, number: int, mask: int, name: str, changes: dict[str, str]) -> None:
        if mask & OVERFLOW:
            raise Lost
        if mask & UNMOUNTED:
            raise Gone
        folder = self._paths.get(number)
        if mask & IGNORED_WATCH:
            self._paths.pop(number, None)
            if folder == "":
                raise Gone
            return
        if folder is None or not name or name in IGNORED or name.endswith(NEW_SUFFIX):
            return
        if mask & CLOSE_WRITE and UNNAMED.fullmatch(name):
            return
        path = f"{folder}/{name}" if folder else name
        if mask & (DELETE | MOVED_FROM):
            changes[path] = "deleted"
            if mask & IS_FOLDER:
                self._forget(path)
        elif mask & IS_FOLDER:
            changes[path] = "created"
            self._found(path, changes)
        elif mask & (CREATE | MOVED_TO):
            # Renaming a file onto another is how editors save.
            changes[path] = "modified" if changes.get(path) == "deleted" else "created"
        elif changes.get(path) != "created":
            changes[path] = "modified"

    def _found(self, path: str, changes: dict[str, str]) -> None:
        """A new folder may hold something already."""
        try:
            with self._opened() as root:
                self._add(root, path)
                for full, _, _, _ in walk(root, path):
                    changes[full] = "created"
                    if len(changes) > MOST_FOLDERS:
                        raise Lost
        except OSError:
            return

    def _forget(self, path: str) -> None:
        gone = [n for n, p in self._paths.items() if p == path or p.startswith(f"{path}/")]
        for number in gone:
            del self._paths[number]
            _libc.inotify_rm_watch(self.fd, number)

    def _add(self, root: Folder, start: str) -> None:
        """Those watched first win: of a tree with too many folders the rest goes unwatched."""
        self._add_one(root, start)
        for full, found, _, _ in walk(root, start):
            if len(self._paths) >= MOST_FOLDERS:
                return
            if stat.S_ISDIR(found.st_mode):
                self._add_one(root, full)

    def _add_one(self, root: Folder, path: str) -> None:
        try:
            folder = root.folder(path)
        except OSError:
            if not path:
                raise
            return
        with folder:
            number = _libc.inotify_add_watch(
                self.fd, f"/proc/self/fd/{folder.fd}".encode(), ctypes.c_uint32(MASK)
            )
        if number >= 0:
            self._paths[number] = path
