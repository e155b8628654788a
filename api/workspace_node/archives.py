"""Zip archives: a folder as one, streamed; and one unpacked into a folder, after it was looked at."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from activities.beneath import Folder, NewFile, clean, told
from activities.boundary import in_thread
from api.workspace_node.files import CHUNK, pieces
from api.workspace_node.listing import walk
from api.workspace_node.state import AppId, Here, State, UserId
from ops.error_codes import ErrorCode
from ops.errors import Invalid

router = APIRouter(prefix="/files")

MOST_ENTRIES = 20_000
MOST_PACKED = 200_000
MOST_BYTES = 1024 * 1024 * 1024
MOST_DIRECTORY_BYTES = 8 * 1024 * 1024
END_RECORD = struct.Struct("<4s4H2LH")
END_SIGNATURE = b"PK\x05\x06"
LONGEST_COMMENT = 65_535
LOCATOR_SIGNATURE = b"PK\x06\x07"
LOCATOR_BYTES = 20
UNIX = 3
"""The system that an entry was made on, where its upper attribute bits are a file's mode."""

FilePath = Annotated[str, Query(alias="path")]


# --- packing -------------------------------------------------------------------------------------


class _Outgoing(io.RawIOBase):
    """What zipfile writes, taken away piece by piece."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._kept += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._kept)
        self._kept.clear()
        return taken


def pack(root: Folder, start: str, *, everything: bool = False) -> Iterator[bytes]:
    """Regular files and folders below ``start``; links and the rest are left out."""
    outgoing = _Outgoing()
    above = len(start) + 1 if start else 0
    with zipfile.ZipFile(outgoing, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        there = islice(walk(root, start, everything=everything), MOST_PACKED)
        for full, found, folder, name in there:
            shown = full[above:].encode(errors="surrogateescape").decode(errors="replace")
            if stat.S_ISDIR(found.st_mode):
                archive.writestr(zipfile.ZipInfo(f"{shown}/"), b"")
                yield outgoing.take()
            elif stat.S_ISREG(found.st_mode):
                yield from _pack_file(archive, outgoing, folder, name, shown)
    yield outgoing.take()


def _pack_file(
    archive: zipfile.ZipFile, outgoing: _Outgoing, folder: Folder, name: str, shown: str
) -> Iterator[bytes]:
    try:
        fd = folder.regular(name)
    except (OSError, Invalid):
        return
    with os.fdopen(fd, "rb") as file:
        info = zipfile.ZipInfo(shown)
        info.external_attr = (os.fstat(fd).st_mode & 0xFFFF) << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(info, "w", force_zip64=True) as packed:
            while data := file.read(CHUNK):
                packed.write(data)
                yield outgoing.take()


@router.get("/archive")
async def download_archive(
    user_id: UserId,
    app_id: AppId,
    here: Here,
    path: FilePath = "",
    everything: Annotated[bool, Query(alias="all")] = False,
) -> StreamingResponse:
    here.touch(user_id)

    def there(folder: Folder, path: str) -> None:
        with folder.folder(path):
            pass
        # An archive's directory is in memory until its end.
        packed = islice(walk(folder, path, everything=everything), MOST_PACKED)
        if sum(1 for _ in packed) == MOST_PACKED:
            raise Invalid(
                f"an archive may hold up to {MOST_PACKED} files and folders",
                code=ErrorCode.ARCHIVE_ENTRIES,
                values={"limit": MOST_PACKED},
                hint="take a folder of it",
            )

    await here.in_app(user_id, app_id, path, there)

    def packed() -> Iterator[bytes]:
        with here.homes.app(user_id, app_id) as folder:
            yield from pack(folder, clean(path), everything=everything)

    return StreamingResponse(
        packed(),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="app-{app_id}.zip"'},
    )


# --- unpacking -----------------------------------------------------------------------------------


def look(file: io.BufferedIOBase) -> list[tuple[zipfile.ZipInfo, str]]:
    """What an archive holds, with clean paths. Raises Invalid before anything is unpacked."""
    _small_directory(file)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, struct.error):
        raise Invalid(
            "this is no zip archive that can be read", code=ErrorCode.ARCHIVE_UNREADABLE
        ) from None
    entries = []
    total = 0
    for info in archive.infolist():
        mode = info.external_attr >> 16 if info.create_system == UNIX else 0
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise Invalid(
                f"{info.filename[:200]!r} is a link or a device",
                code=ErrorCode.ARCHIVE_NO_FILE,
                values={"path": info.filename[:200]},
                field="archive",
            )
        # zipfile unpacks other methods without a limit: a few bytes could become all of the memory.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Invalid(
                f"{info.filename[:200]!r} is packed in a way that is not taken here",
                code=ErrorCode.ARCHIVE_METHOD,
                values={"path": info.filename[:200]},
                field="archive",
                hint="pack it with zip's usual method (deflate)",
            )
        if info.flag_bits & 1:
            raise Invalid(
                "the archive is encrypted", code=ErrorCode.ARCHIVE_ENCRYPTED, field="archive"
            )
        total += info.file_size
        # Backslashes are separators to those who packed on Windows; here they would be names.
        path = clean(info.filename.replace("\\", "/"))
        if path:
            entries.append((info, path))
    if len(entries) > MOST_ENTRIES:
        raise Invalid(
            f"an archive holds up to {MOST_ENTRIES} entries",
            code=ErrorCode.ARCHIVE_ENTRIES,
            values={"limit": MOST_ENTRIES},
            field="archive",
        )
    if total > MOST_BYTES:
        raise Invalid(
            f"an archive holds up to {MOST_BYTES // 2**20} MB",
            code=ErrorCode.ARCHIVE_TOO_LARGE,
            values={"limit": MOST_BYTES // 2**20},
            field="archive",
        )
    return entries


def _small_directory(file: io.BufferedIOBase) -> None:
    """zipfile reads an archive's whole directory into memory: first it is seen to be small."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - END_RECORD.size - LONGEST_COMMENT - LOCATOR_BYTES))
    tail = file.read()
    at = tail.rfind(END_SIGNATURE)
    if at < 0 or len(tail) - at < END_RECORD.size:
        raise Invalid("this is no zip archive", code=ErrorCode.ARCHIVE_UNREADABLE, field="archive")
    record = END_RECORD.unpack_from(tail, at)
    # A large archive's figures are in another record. zipfile believes that one whenever it finds
    # a locator of it, whatever this one says.
    located = tail[max(0, at - LOCATOR_BYTES) : at].startswith(LOCATOR_SIGNATURE)
    if located or record[4] > MOST_ENTRIES or record[5] > MOST_DIRECTORY_BYTES:
        raise Invalid(
            f"an archive holds up to {MOST_ENTRIES} entries",
            code=ErrorCode.ARCHIVE_ENTRIES,
            values={"limit": MOST_ENTRIES},
            field="archive",
        )
    file.seek(0)


def unpack(file: io.BufferedIOBase, root: Folder, start: str) -> int:
    """How many files were written below ``start``; those there before are replaced."""
    entries = look(file)
    written = total = 0
    with zipfile.ZipFile(file) as archive:
        for info, path in entries:
            full = f"{start}/{path}" if start else path
            with told(full):
                if info.is_dir():
                    root.make_folder(full)
                    continue
                total = _unpack_file(archive, info, root, full, total)
                written += 1
    return written


def _unpack_file(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, root: Folder, full: str, total: int
) -> int:
    mode = 0o755 if info.create_system == UNIX and info.external_attr >> 16 & 0o100 else 0o644
    try:
        with (
            archive.open(info) as packed,
            root.parent(full, make=True) as (parent, name),
            parent.new_file() as new,
        ):
            while data := packed.read(CHUNK):
                total += len(data)
                # What the directory says of its sizes may be a lie.
                if total > MOST_BYTES:
                    raise Invalid(
                        f"it unpacks to more than {MOST_BYTES // 2**20} MB",
                        code=ErrorCode.ARCHIVE_TOO_LARGE,
                        values={"limit": MOST_BYTES // 2**20},
                    )
                new.write(data)
            new.put(name, mode=mode)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise Invalid(
            f"{full[:200]} is broken in the archive",
            code=ErrorCode.ARCHIVE_BROKEN,
            values={"path": full[:200]},
            field="archive",
        ) from None
    return total


@router.post("/archive")
async def upload_archive(
    user_id: UserId, app_id: AppId, request: Request, here: Here, path: FilePath = ""
) -> dict[str, int]:
    """The body is a zip. It is kept on the user's own disk, without a name, while it is read."""
    here.touch(user_id)
    with here.upload(user_id):
        return {"files": await _upload(user_id, app_id, path, request, here)}


async def _upload(user_id: int, app_id: int, path: str, request: Request, here: State) -> int:
    new = await here.in_app(user_id, app_id, "", lambda folder, _: folder.new_file())
    try:
        async for piece in pieces(request.stream()):
            await in_thread(_keep, new, piece)

        def work(folder: Folder, path: str) -> int:
            with os.fdopen(os.dup(new.fd), "rb") as file:
                return unpack(file, folder, path)

        written = await here.in_app(user_id, app_id, path, work)
    finally:
        with new:
            pass
    return written


def _keep(new: NewFile, data: bytes) -> None:
    with told("the archive"):
        new.write(data)
