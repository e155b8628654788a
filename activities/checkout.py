"""A pack of one commit laid out as files. Blocking: it runs in a thread that can be stopped.

What the pack declares is checked before it is inflated: a few kilobytes can claim to be gigabytes.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dulwich.errors import ObjectFormatException
from dulwich.object_format import SHA1
from dulwich.objects import S_ISGITLINK, Blob, Commit, ObjectID, Tag, Tree
from dulwich.pack import MemoryPackIndex, Pack, PackData, PackIndexer, unpack_object_at

from activities.git_remote import too_large
from activities.threads import Stop
from ops.error_codes import ErrorCode
from ops.errors import SourceError

MAX_ENTRIES = 100_000
MAX_DEPTH = 64
MAX_NAME = 255
MAX_PATH = 2048
MAX_TAGS = 4
MESSAGE_LENGTH = 200

_HEADER = 12
_OFS_DELTA, _REF_DELTA = 6, 7


@dataclass(frozen=True)
class Limits:
    """In bytes: one file, and all of them together."""

    file: int
    total: int


@dataclass(frozen=True)
class Checkout:
    """``tree`` names every file's name, mode and content."""

    commit: str
    tree: str
    message: str
    author: str


def unpack(pack_path: Path, wanted: str, target: Path, limits: Limits, stop: Stop) -> Checkout:
    """Lays out the commit's files in ``target``, which must not be there yet.

    Raises SourceError for what cannot be built: submodules, too large, no commit, odd names.
    """
    with PackData.from_path(pack_path, SHA1) as data:
        pack = Pack.from_objects(data, _index(data, limits, stop))
        try:
            commit = _commit(pack, ObjectID(wanted.encode()))
            target.mkdir(mode=0o755)
            _Writer(pack, limits, stop).folder(commit.tree, target, "")
        except ObjectFormatException as error:
            raise SourceError(
                f"the repository is damaged: {error}",
                code=ErrorCode.REPOSITORY_DAMAGED,
                values={"why": str(error)},
            ) from None
        message, _, _ = commit.message.decode(errors="replace").strip().partition("\n")
        author, _, _ = commit.author.decode(errors="replace").partition(" <")
        return Checkout(
            commit=commit.id.decode(),
            tree=commit.tree.decode(),
            message=message[:MESSAGE_LENGTH],
            author=author[:MESSAGE_LENGTH],
        )


def _index(data: PackData, limits: Limits, stop: Stop) -> MemoryPackIndex:
    contents = data._buffer()
    indexer = PackIndexer(None, SHA1.hash_func, object_format=SHA1)
    indexer.set_pack_data(data)
    offset = _HEADER
    total = 0
    for _ in range(len(data)):
        stop.check()
        kind, size = _declared(contents, offset)
        if kind not in (_OFS_DELTA, _REF_DELTA):
            total += size
        if size > limits.file or total > limits.total:
            raise too_large(limits.total)
        unpacked, end = unpack_object_at(contents, offset, SHA1.hash_func)
        if kind in (_OFS_DELTA, _REF_DELTA):
            grown = _delta_result(b"".join(unpacked.decomp_chunks[:2]))
            total += grown
            if grown > limits.file or total > limits.total:
                raise too_large(limits.total)
        indexer.record(unpacked)
        offset = end
    entries = []
    for entry in indexer:
        stop.check()
        entries.append(entry)
    return MemoryPackIndex(sorted(entries), SHA1, data.get_stored_checksum())


def _declared(contents: bytes | mmap.mmap, offset: int) -> tuple[int, int]:
    """Type and inflated size of the object at ``offset`` (gitformat-pack(5))."""
    byte = contents[offset]
    kind, size, shift = (byte >> 4) & 7, byte & 15, 4
    while byte & 128:
        offset += 1
        byte = contents[offset]
        size |= (byte & 127) << shift
        shift += 7
    return kind, size


def _delta_result(delta: bytes) -> int:
    """How large what a delta makes will be: the second of two variable-length numbers."""
    numbers: list[int] = []
    position = 0
    while len(numbers) < 2 and position < len(delta):
        value = shift = 0
        while position < len(delta):
            byte = delta[position]
            value |= (byte & 127) << shift
            shift += 7
            position += 1
            if not byte & 128:
                break
        numbers.append(value)
    return numbers[-1] if numbers else 0


def _commit(pack: Pack, name: ObjectID) -> Commit:
    found = pack[name]
    for _ in range(MAX_TAGS):
        if not isinstance(found, Tag):
            break
        found = pack[found.object[1]]
    if not isinstance(found, Commit):
        raise SourceError(
            "what is named there is no commit", code=ErrorCode.REF_NO_COMMIT, field="ref"
        )
    return found


class _Writer:
    def __init__(self, pack: Pack, limits: Limits, stop: Stop) -> None:
        self._pack = pack
        self._limits = limits
        self._stop = stop
        self._written = 0
        self._entries = 0

    def folder(self, tree: ObjectID, target: Path, shown: str, depth: int = 0) -> None:
        if depth > MAX_DEPTH:
            raise SourceError(
                f"folders lie deeper than {MAX_DEPTH} in each other: {shown[:200]}",
                code=ErrorCode.FOLDERS_TOO_DEEP,
                values={"limit": MAX_DEPTH, "path": shown[:200]},
            )
        for name, mode, sha in self._entries_of(tree, shown):
            path = target / os.fsdecode(name)
            inside = shown + name.decode(errors="replace")
            if stat.S_ISDIR(mode):
                path.mkdir(mode=0o755)
                self.folder(sha, path, f"{inside}/", depth + 1)
                continue
            if S_ISGITLINK(mode):
                raise SourceError(
                    f"{inside} is a submodule; submodules are not supported",
                    code=ErrorCode.SUBMODULE,
                    values={"path": inside},
                    hint="commit the files themselves, or install them as a package",
                    field=inside,
                )
            data = self._blob(sha, inside)
            if stat.S_ISLNK(mode):
                _link(path, data, inside)
            else:
                _write(path, data, executable=bool(mode & 0o100))

    def _entries_of(self, tree: ObjectID, shown: str) -> Iterator[tuple[bytes, int, ObjectID]]:
        try:
            found = self._pack[tree]
        except KeyError:
            found = None
        if not isinstance(found, Tree):
            raise _damaged_at(shown or "/")
        for entry in found.iteritems():
            self._stop.check()
            self._entries += 1
            if self._entries > MAX_ENTRIES:
                raise SourceError(
                    f"the repository has more than {MAX_ENTRIES} files",
                    code=ErrorCode.TOO_MANY_FILES,
                    values={"limit": MAX_ENTRIES},
                    hint="are packages (node_modules) committed? add them to .gitignore",
                )
            name = entry.path
            odd = name.lower() in (b"", b".", b"..", b".git") or b"/" in name
            if odd or len(name) > MAX_NAME or len(shown) > MAX_PATH:
                raise SourceError(
                    f"a file in {shown[:200] or '/'} has a name that is not possible",
                    code=ErrorCode.NAME_IMPOSSIBLE,
                    values={"folder": shown[:200] or "/"},
                )
            yield name, entry.mode, entry.sha

    def _blob(self, sha: ObjectID, shown: str) -> bytes:
        try:
            blob = self._pack[sha]
        except KeyError:
            raise SourceError(
                f"{shown} is larger than {self._limits.file // (1024 * 1024)} MB",
                code=ErrorCode.REPOSITORY_FILE_TOO_LARGE,
                values={"path": shown, "limit": self._limits.file // (1024 * 1024)},
                hint="keep large files out of Git: in the database, or fetched by the build",
                field=shown,
            ) from None
        if not isinstance(blob, Blob):
            raise _damaged_at(shown)
        self._written += blob.raw_length()
        if self._written > self._limits.total:
            raise too_large(self._limits.total)
        return blob.data


def _damaged_at(path: str) -> SourceError:
    return SourceError(
        f"the repository is damaged at {path}",
        code=ErrorCode.REPOSITORY_DAMAGED_AT,
        values={"path": path},
    )


def _link(path: Path, target: bytes, shown: str) -> None:
    """Never followed here; in the build it cannot lead out of the build's own files."""
    if not target or b"\0" in target or len(target) > MAX_PATH:
        raise SourceError(
            f"{shown} is a link to nowhere",
            code=ErrorCode.LINK_TO_NOWHERE,
            values={"path": shown},
            field=shown,
        )
    os.symlink(target, os.fsencode(path))


def _write(path: Path, data: bytes, *, executable: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    # Modes are set by chmod: the worker's umask must not change what the build sees.
    descriptor = os.open(path, flags, 0o600)
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o755 if executable else 0o644)
        file.write(data)
