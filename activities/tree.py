"""Reading an app's checked-out files: only regular ones, never through a link, up to a size."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ops.error_codes import ErrorCode
from ops.errors import SourceError

READ_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Tree:
    """The files below ``root``. Paths are relative, with ``/``."""

    root: Path

    def has(self, path: str) -> bool:
        """Whether it is a regular file, reached without following a link."""
        return self._is(path, stat.S_ISREG)

    def has_folder(self, path: str) -> bool:
        return self._is(path, stat.S_ISDIR)

    def read(self, path: str) -> str | None:
        """The file's text; None when there is none. Raises SourceError when it is unreadable."""
        if not self._is(path, stat.S_ISREG):
            if (self.root / path).is_symlink():
                raise SourceError(
                    f"{path} is a link; links are not followed",
                    code=ErrorCode.LINK_NOT_FOLLOWED,
                    values={"path": path},
                    hint="commit the file itself",
                    field=path,
                )
            return None
        with (self.root / path).open("rb") as file:
            return as_text(file.read(READ_LIMIT + 1), path)

    def folders(self) -> list[str]:
        """The folders right below the root, by name; hidden ones left out."""
        with os.scandir(self.root) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
            )

    def is_empty(self) -> bool:
        with os.scandir(self.root) as entries:
            return next(entries, None) is None

    def _is(self, path: str, kind: Callable[[int], bool]) -> bool:
        *folders, name = path.split("/")
        if ".." in (*folders, name):
            # A package's own files may name others: none that is outside.
            return False
        current = self.root
        for part, wanted in [*((folder, stat.S_ISDIR) for folder in folders), (name, kind)]:
            current = current / part
            try:
                mode = current.lstat().st_mode
            except (OSError, ValueError):
                # ValueError: a name that no file can have.
                return False
            if not wanted(mode):
                return False
        return True


def as_text(data: bytes, path: str) -> str:
    """The text of a file of which up to one byte more than ``READ_LIMIT`` was read."""
    if len(data) > READ_LIMIT:
        raise SourceError(
            f"{path} is larger than {READ_LIMIT // 1024} KB",
            code=ErrorCode.TEXT_TOO_LARGE,
            values={"path": path, "limit": READ_LIMIT // 1024},
            field=path,
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SourceError(
            f"{path} is not UTF-8 text",
            code=ErrorCode.TEXT_NOT_UTF8,
            values={"path": path},
            field=path,
        ) from None
