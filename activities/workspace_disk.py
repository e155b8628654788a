"""Disks of users: an ext4 image each, mounted by loop, so that the kernel holds everybody to a size.

An image appears whole or not at all, and is mounted once. What is on it belongs to its user: the
platform writes there only before any of the user's code could.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from activities.container_spec import UNPRIVILEGED
from ops.errors import PlatformError
from ops.stack.shell import attempt, run

MEGABYTE = 1024 * 1024
#: Packages of npm are many small files; ext4's own default would run out of inodes before space.
BYTES_PER_INODE = 8192
FULL_BYTES = 2 * MEGABYTE
MOUNT_OPTIONS = "loop,nosuid,nodev,noatime"
SUPERBLOCK_AT = 1024
SUPERBLOCK = struct.Struct("<4xI16xI")
REPAIRED = (0, 1)
LET_GO_SECONDS = 5.0
POLL_SECONDS = 0.01
FOLDERS = ("apps", ".home", ".studio", ".studio/runs")


class Disks:
    """The disks of one node. All calls block and may be repeated."""

    def __init__(self, home: Path, size_mb: int) -> None:
        self.folder = home / "disks"
        self._size = size_mb * MEGABYTE
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)

    def path(self, user_id: int) -> Path:
        """Where the disk is mounted."""
        return self.folder / f"u-{user_id}"

    def image(self, user_id: int) -> Path:
        return self.folder / f"u-{user_id}.img"

    def exists(self, user_id: int) -> bool:
        return self.image(user_id).is_file()

    def is_mounted(self, user_id: int) -> bool:
        return os.path.ismount(self.path(user_id))

    def is_full(self, user_id: int) -> bool:
        """So little is left that a write of ordinary size fails."""
        free = os.statvfs(self.path(user_id))
        return free.f_bavail * free.f_frsize < FULL_BYTES or free.f_ffree == 0

    def ensure(self, user_id: int, gitconfig: str) -> Path:
        """The mounted disk; a new one starts with its folders and with ``gitconfig``."""
        with self._only_one(user_id):
            if not self.is_mounted(user_id):
                if not self.exists(user_id):
                    self._make(user_id, gitconfig)
                self._mount(user_id)
        return self.path(user_id)

    def release(self, user_id: int) -> bool:
        """Gives back to the host what was deleted, and unmounts. False while somebody uses it."""
        with self._only_one(user_id):
            if not self.is_mounted(user_id):
                return True
            path = self.path(user_id)
            # What was deleted is free once the journal says so.
            attempt(["sync", "--file-system", path])
            attempt(["fstrim", path])
            return attempt(["umount", path]).returncode == 0

    def remove(self, user_id: int) -> None:
        with self._only_one(user_id):
            path = self.path(user_id)
            while self.is_mounted(user_id):
                # Lazily: whoever still has a file open there keeps nobody waiting.
                run(["umount", "--lazy", path])
            for left in (self.image(user_id), self._draft(user_id)):
                left.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                path.rmdir()
        self._lock(user_id).unlink(missing_ok=True)

    def users(self) -> list[int]:
        """Whose disks are here."""
        names = (path.stem.removeprefix("u-") for path in self.folder.glob("u-*.img"))
        return sorted(int(name) for name in names if name.isdecimal())

    def _make(self, user_id: int, gitconfig: str) -> None:
        draft = self._draft(user_id)
        draft.unlink(missing_ok=True)
        with draft.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            os.truncate(file.fileno(), self._size)
        with tempfile.TemporaryDirectory(dir=self.folder) as content:
            _fill(Path(content), gitconfig)
            run(make_argv(draft, Path(content)), hint="is the host's own disk full?")
        draft.rename(self.image(user_id))

    def _mount(self, user_id: int) -> None:
        image, path = self.image(user_id), self.path(user_id)
        if _is_let_go(image):
            self._make_ready(user_id, image)
        # Should it ever not be mounted, a container finds a folder that it cannot write to.
        path.mkdir(mode=0o700, exist_ok=True)
        run(["mount", "-o", MOUNT_OPTIONS, image, path])
        with suppress(OSError):
            (path / "lost+found").rmdir()

    def _make_ready(self, user_id: int, image: Path) -> None:
        # After the host lost its power; a disk that was unmounted costs some milliseconds here.
        checked = attempt(["e2fsck", "-p", image])
        if checked.returncode not in REPAIRED:
            raise PlatformError(
                f"the disk of user {user_id} is damaged",
                hint=f"an administrator may repair it: e2fsck {image}",
                log_tail=checked.stdout.splitlines()[-5:],
            )
        self._grow(image)

    def _grow(self, image: Path) -> None:
        """To what the setting says now; it never shrinks, and grows while nobody uses it."""
        if size_of(image) >= self._size:
            return
        os.truncate(image, max(self._size, image.stat().st_size))
        # Wanted by resize2fs before it touches anything.
        attempt(["e2fsck", "-f", "-p", image])
        run(["resize2fs", image], hint="is the host's own disk full?")

    def _draft(self, user_id: int) -> Path:
        return self.folder / f".u-{user_id}.new"

    def _lock(self, user_id: int) -> Path:
        return self.folder / f".u-{user_id}.lock"

    @contextmanager
    def _only_one(self, user_id: int) -> Iterator[None]:
        """An attempt that timed out may still be at it."""
        with self._lock(user_id).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _is_let_go(image: Path) -> bool:
    """Whether no loop device has the image any more, which may take a moment after an unmount.

    A device that is still there is mounted again by ``mount``, with what it remembers of the image:
    whatever else wrote to the image meanwhile would be lost on it, or ruin it.
    """
    deadline = time.monotonic() + LET_GO_SECONDS
    while _has_device(image):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _has_device(image: Path) -> bool:
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        # It may go while it is looked at.
        with suppress(OSError):
            if backing.read_text().rstrip("\n") == str(image.resolve()):
                return True
    return False


def size_of(image: Path) -> int:
    """Bytes of the file system itself, which is not the file that it is in (ext4's superblock)."""
    with image.open("rb") as file:
        block = os.pread(file.fileno(), SUPERBLOCK.size, SUPERBLOCK_AT)
    blocks, log_size = SUPERBLOCK.unpack(block)
    return int(blocks) << (10 + int(log_size))


def make_argv(image: Path, content: Path) -> list[str]:
    """Nothing is kept back for root: the user may fill the disk, and delete from a full one."""
    return [
        "mkfs.ext4",
        "-q",
        "-F",
        "-m0",
        f"-i{BYTES_PER_INODE}",
        f"-Eroot_owner={UNPRIVILEGED},lazy_itable_init=1,lazy_journal_init=1",
        f"-d{content}",
        str(image),
    ]


def _fill(content: Path, gitconfig: str) -> None:
    for name in FOLDERS:
        (content / name).mkdir(mode=0o755)
    (content / ".home" / ".gitconfig").write_text(gitconfig)
    user, group = (int(number) for number in UNPRIVILEGED.split(":"))
    for path in content.rglob("*"):
        shutil.chown(path, user, group)
