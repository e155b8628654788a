"""Where a user's files are on this node, opened so that nothing outside can be reached."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from activities.beneath import Folder, explained, told
from activities.tree import READ_LIMIT, Tree, as_text
from ops.error_codes import ErrorCode
from ops.errors import Conflict, NotFound
from ops.settings import Settings

OWNER = 1000


class Homes:
    """The disks of the users placed on this node."""

    def __init__(self, settings: Settings, node_id: str) -> None:
        self._disks = settings.node_home(node_id) / "disks"

    def path(self, user_id: int) -> Path:
        return self._disks / f"u-{user_id}"

    def mounted(self) -> set[int]:
        """Whose disks are mounted here."""
        try:
            beside = self._disks.stat().st_dev
            with os.scandir(self._disks) as entries:
                return {
                    int(entry.name[2:])
                    for entry in entries
                    if entry.name.startswith("u-")
                    and entry.name[2:].isdecimal()
                    and entry.stat(follow_symlinks=False).st_dev != beside
                }
        except FileNotFoundError:
            return set()

    @contextmanager
    def disk(self, user_id: int) -> Iterator[Folder]:
        """The user's disk. Raises Conflict unless it is mounted: nothing is written beside it."""
        path = self.path(user_id)
        try:
            mounted = path.stat().st_dev != self._disks.stat().st_dev
        except FileNotFoundError:
            mounted = False
        if not mounted:
            raise Conflict(
                "the workspace is not open", code=ErrorCode.WORKSPACE_CLOSED, hint="open it first"
            )
        with Folder.at(path, owner=OWNER) as folder:
            yield folder

    @contextmanager
    def app(self, user_id: int, app_id: int) -> Iterator[Folder]:
        """The folder of one app. Raises NotFound when it was never opened here."""
        with self.disk(user_id) as disk:
            try:
                folder = disk.folder(f"apps/{app_id}")
            except OSError:
                raise NotFound(
                    f"app {app_id} is not in the workspace",
                    code=ErrorCode.APP_NOT_OPENED,
                    hint="open the app first",
                ) from None
        with folder:
            yield folder


@dataclass(frozen=True)
class OpenTree(Tree):
    """What ``Tree`` reads, from an open folder whose owner may be changing it."""

    folder: Folder

    @classmethod
    def of(cls, folder: Folder) -> OpenTree:
        return cls(Path(), folder)

    def has(self, path: str) -> bool:
        return stat.S_ISREG(self._mode(path))

    def has_folder(self, path: str) -> bool:
        return stat.S_ISDIR(self._mode(path))

    def read(self, path: str) -> str | None:
        if not self.has(path):
            return None
        with told(path):
            fd = self.folder.regular(path)
        with os.fdopen(fd, "rb") as file:
            return as_text(file.read(READ_LIMIT + 1), path)

    def folders(self) -> list[str]:
        with os.scandir(self.folder.fd) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
            )

    def is_empty(self) -> bool:
        with os.scandir(self.folder.fd) as entries:
            return next(entries, None) is None

    def _mode(self, path: str) -> int:
        try:
            return self.folder.stat(path).st_mode
        except OSError as error:
            if isinstance(explained(error, path), NotFound):
                return 0
            raise explained(error, path) from None
