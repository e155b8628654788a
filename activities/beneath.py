"""Files of a folder that somebody hostile works in at the same time.

The kernel resolves every path inside the folder (openat2(2), RESOLVE_IN_ROOT): ``..``, absolute
links and a folder that becomes a link in the middle of a call all end inside it. What follows works
on descriptors, never on a path again. Only regular files and folders are opened. All calls block.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.error_codes import ErrorCode
from ops.errors import Conflict, DiskFull, Invalid, NotFound, PlatformError, StudioError

OPENAT2 = 437
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_IN_ROOT = 0x10
RENAME_NOREPLACE = 1
RACED_TRIES = 20
LONGEST_NAME = 255
LONGEST_PATH = 2000
NEW_SUFFIX = ".studio-new"
"""A file with this suffix is about to be renamed to its real name."""

_libc = ctypes.CDLL(None, use_errno=True)


class _How(ctypes.Structure):
    _fields_ = [
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    ]


def clean(path: str) -> str:
    """A relative path of plain names, "" for the folder itself. Raises Invalid."""
    if "\0" in path:
        raise Invalid("a path holds no NUL", code=ErrorCode.PATH_INVALID, field="path")
    if path.startswith("/"):
        raise Invalid(
            "a path is relative to the app's folder",
            code=ErrorCode.PATH_INVALID,
            hint="without /",
            field="path",
        )
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Invalid("a path has no .. in it", code=ErrorCode.PATH_INVALID, field="path")
    try:
        encoded = [part.encode() for part in parts]
    except UnicodeEncodeError:
        raise Invalid("a path is UTF-8 text", code=ErrorCode.PATH_INVALID, field="path") from None
    if any(len(part) > LONGEST_NAME for part in encoded):
        raise Invalid(
            f"a name has up to {LONGEST_NAME} bytes", code=ErrorCode.PATH_INVALID, field="path"
        )
    if sum(len(part) + 1 for part in encoded) > LONGEST_PATH:
        raise Invalid(
            f"a path has up to {LONGEST_PATH} bytes", code=ErrorCode.PATH_INVALID, field="path"
        )
    return "/".join(parts)


def explained(error: OSError, path: str) -> StudioError:
    """What went wrong with a file, in words for the person whose file it is."""
    shown = path or "the app's folder"
    named = path or "./"  # for texts in any language
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR | errno.EXDEV:
            return NotFound(
                f"there is no {shown}",
                code=ErrorCode.FILE_MISSING,
                values={"path": named},
                field="path",
            )
        case errno.ELOOP:
            return Invalid(
                f"{shown} is a link; open what it leads to",
                code=ErrorCode.FILE_IS_LINK,
                values={"path": named},
                field="path",
            )
        case errno.EEXIST | errno.ENOTEMPTY:
            return Conflict(
                f"{shown} exists already",
                code=ErrorCode.FILE_EXISTS,
                values={"path": named},
                field="path",
            )
        case errno.EISDIR:
            return Invalid(
                f"{shown} is a folder",
                code=ErrorCode.FILE_IS_FOLDER,
                values={"path": named},
                field="path",
            )
        case errno.EINVAL:
            return Invalid(
                f"{shown} cannot be put there", code=ErrorCode.PATH_INVALID, field="path"
            )
        case errno.ENOSPC | errno.EDQUOT:
            return DiskFull(
                "the workspace's disk is full",
                code=ErrorCode.DISK_FULL,
                hint="delete something, node_modules for example",
            )
        case errno.ENAMETOOLONG:
            return Invalid("the name is too long", code=ErrorCode.PATH_INVALID, field="path")
        case errno.EMFILE | errno.ENFILE:
            return Invalid(
                f"{shown} is nested too deeply",
                code=ErrorCode.FILE_TOO_DEEP,
                values={"path": named},
                hint="use the terminal",
                field="path",
            )
    return PlatformError(f"{shown}: {error.strerror}")


@contextmanager
def told(path: str) -> Iterator[None]:
    """Errors of the kernel come out as errors of our tree."""
    try:
        yield
    except OSError as error:
        raise explained(error, path) from None
    except RecursionError:
        raise Invalid(
            f"{path} is nested too deeply",
            code=ErrorCode.FILE_TOO_DEEP,
            values={"path": path},
            hint="use the terminal",
        ) from None


class Folder:
    """An open folder. Paths given to it have passed ``clean``. ``owner`` gets what is made here."""

    def __init__(self, fd: int, owner: int | None) -> None:
        self.fd = fd
        self._owner = owner

    @classmethod
    def at(cls, path: Path, *, owner: int | None = None) -> Folder:
        """A folder of the platform's own, by its path. Raises NotFound."""
        with told(path.name):
            return cls(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), owner)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    # --- reading -----------------------------------------------------------------------------

    def open(self, path: str, flags: int) -> int:
        """openat2 below this folder. Raises OSError."""
        how = _How(flags | os.O_CLOEXEC, 0, _INSIDE)
        for _ in range(RACED_TRIES):
            fd: int = _libc.syscall(
                OPENAT2,
                ctypes.c_int(self.fd),
                os.fsencode(path or "."),
                ctypes.byref(how),
                ctypes.c_size_t(ctypes.sizeof(how)),
            )
            if fd >= 0:
                return fd
            code = ctypes.get_errno()
            if code != errno.EAGAIN:
                break
        raise OSError(code, os.strerror(code), path)

    def folder(self, path: str) -> Folder:
        """A folder below this one."""
        return Folder(self.open(path, os.O_RDONLY | os.O_DIRECTORY), self._owner)

    def stat(self, path: str) -> os.stat_result:
        """Of the thing itself, also when it is a link."""
        fd = self.open(path, os.O_PATH | os.O_NOFOLLOW)
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def regular(self, path: str) -> int:
        """A regular file, open for reading. A fifo, socket or device is never opened at all."""
        handle = self.open(path, os.O_PATH | os.O_NOFOLLOW)
        try:
            mode = os.fstat(handle).st_mode
            if stat.S_ISLNK(mode):
                raise OSError(errno.ELOOP, "link", path)
            if stat.S_ISDIR(mode):
                raise OSError(errno.EISDIR, "folder", path)
            if not stat.S_ISREG(mode):
                raise Invalid(
                    f"{path} is no regular file",
                    code=ErrorCode.FILE_NOT_REGULAR,
                    values={"path": path},
                    field="path",
                )
            return os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(handle)

    # --- writing -----------------------------------------------------------------------------

    @contextmanager
    def parent(self, path: str, *, make: bool = False) -> Iterator[tuple[Folder, str]]:
        """The folder that holds ``path``, and its name there. Raises Invalid for the root."""
        above, _, name = path.rpartition("/")
        if not name:
            raise Invalid(
                "this is the app's folder itself",
                code=ErrorCode.FOLDER_ITSELF,
                field="path",
            )
        if make:
            self.make_folder(above)
        with self.folder(above) as folder:
            yield folder, name

    def make_folder(self, path: str) -> None:
        """The folder with those above it; being there already is success."""
        made = ""
        for name in path.split("/") if path else []:
            below = f"{made}/{name}" if made else name
            with self.folder(made) as above:
                try:
                    os.mkdir(name, 0o755, dir_fd=above.fd)
                except FileExistsError:
                    pass
                else:
                    self._give(above.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW))
            made = below
        with self.folder(path):
            return

    def _give(self, fd: int) -> None:
        try:
            if self._owner is not None:
                os.fchown(fd, self._owner, self._owner)
        finally:
            os.close(fd)

    def new_file(self) -> NewFile:
        """A file in this folder that has no name yet."""
        flags = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
        return NewFile(os.open(".", flags, 0o644, dir_fd=self.fd), self, self._owner)

    def move(self, source: str, target: str) -> None:
        """Renames; never onto something that exists."""
        with self.parent(source) as (old, old_name), self.parent(target, make=True) as (new, name):
            failed = _libc.renameat2(
                ctypes.c_int(old.fd),
                os.fsencode(old_name),
                ctypes.c_int(new.fd),
                os.fsencode(name),
                ctypes.c_uint(RENAME_NOREPLACE),
            )
            if failed:
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code))

    def delete(self, path: str) -> Path | None:
        """Removes a file or a link, which is not followed. A folder stays: where it really is."""
        with self.parent(path) as (folder, name):
            if stat.S_ISDIR(os.lstat(name, dir_fd=folder.fd).st_mode):
                return Path(os.readlink(f"/proc/self/fd/{folder.fd}"), name)
            os.unlink(name, dir_fd=folder.fd)
        return None


class NewFile:
    """Written without a name, then put under one in one step; without ``put`` it leaves nothing."""

    def __init__(self, fd: int, folder: Folder, owner: int | None) -> None:
        self.fd = fd
        self._folder = folder
        self._owner = owner

    def __enter__(self) -> NewFile:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self.fd, left) :]

    def put(self, name: str, *, replace: bool = True, mode: int = 0o644) -> None:
        """Raises OSError (EEXIST) when the name is taken and ``replace`` is off."""
        if self._owner is not None:
            os.fchown(self.fd, self._owner, self._owner)
        os.fchmod(self.fd, mode)
        if not replace:
            self._link(name)
            return
        passing = f".{secrets.token_hex(8)}{NEW_SUFFIX}"
        self._link(passing)
        try:
            os.rename(passing, name, src_dir_fd=self._folder.fd, dst_dir_fd=self._folder.fd)
        except OSError:
            os.unlink(passing, dir_fd=self._folder.fd)
            raise

    def _link(self, name: str) -> None:
        os.link(f"/proc/self/fd/{self.fd}", name, dst_dir_fd=self._folder.fd, follow_symlinks=True)


_INSIDE = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV
