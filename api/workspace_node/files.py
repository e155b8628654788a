"""Reading and changing single files and folders of an app."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import stat
from collections.abc import AsyncIterator, Iterator
from io import BufferedReader
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from activities.beneath import Folder, NewFile, clean, told
from activities.boundary import in_thread
from api.workspace_node.listing import tree
from api.workspace_node.state import AppId, Here, State, UserId
from ops.error_codes import ErrorCode
from ops.errors import Changed, Invalid

router = APIRouter(prefix="/files")

TEXT_LIMIT = 5 * 1024 * 1024
CHUNK = 256 * 1024
NEW = ""
"""As an etag: the file must not exist yet."""

FilePath = Annotated[str, Query(alias="path")]


class Written(BaseModel):
    """``etag`` None replaces whatever is there; "" only makes a new file."""

    model_config = ConfigDict(extra="forbid")

    content: str
    encoding: Literal["utf-8", "base64"] = "utf-8"
    etag: str | None = None


def etag_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def read_whole(folder: Folder, path: str) -> bytes:
    """Raises Invalid when it is too large to be edited."""
    with os.fdopen(folder.regular(path), "rb") as file:
        data = file.read(TEXT_LIMIT + 1)
    if len(data) > TEXT_LIMIT:
        raise Invalid(
            f"{path} is larger than {TEXT_LIMIT // 2**20} MB",
            code=ErrorCode.FILE_TOO_LARGE,
            values={"limit": TEXT_LIMIT // 2**20},
            hint="download it",
            field="path",
        )
    return data


@router.get("/tree")
async def read_tree(
    user_id: UserId,
    app_id: AppId,
    here: Here,
    path: FilePath = "",
    everything: Annotated[bool, Query(alias="all")] = False,
) -> Response:
    here.touch(user_id)

    def work(folder: Folder, path: str) -> bytes:
        return json.dumps(tree(folder, path, everything=everything)).encode()

    return Response(await here.in_app(user_id, app_id, path, work), media_type="application/json")


@router.get("/content")
async def read_content(
    user_id: UserId, app_id: AppId, path: FilePath, here: Here
) -> dict[str, Any]:
    here.touch(user_id)
    data = await here.in_app(user_id, app_id, path, read_whole)
    etag = etag_of(data)
    try:
        return {"content": data.decode(), "etag": etag, "encoding": "utf-8"}
    except UnicodeDecodeError:
        content = base64.b64encode(data).decode()
        return {"content": content, "etag": etag, "encoding": "base64"}


@router.put("/content")
async def write_content(
    user_id: UserId, app_id: AppId, path: FilePath, body: Written, here: Here
) -> dict[str, str]:
    here.touch(user_id)
    data = _decoded(body)

    def work(folder: Folder, path: str) -> None:
        mode = _expect(folder, path, body.etag)
        with folder.parent(path, make=True) as (parent, name), parent.new_file() as new:
            new.write(data)
            new.put(name, replace=body.etag != NEW, mode=mode)

    async with here.writing[user_id]:
        await here.in_app(user_id, app_id, path, work)
    return {"etag": etag_of(data)}


def _decoded(body: Written) -> bytes:
    try:
        if body.encoding == "utf-8":
            data = body.content.encode()
        else:
            data = base64.b64decode(body.content, validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Invalid(
            f"the content is no {body.encoding}",
            code=ErrorCode.CONTENT_UNREADABLE,
            values={"encoding": body.encoding},
            field="content",
        ) from None
    if len(data) > TEXT_LIMIT:
        raise Invalid(
            f"a file of more than {TEXT_LIMIT // 2**20} MB is uploaded",
            code=ErrorCode.FILE_TOO_LARGE,
            values={"limit": TEXT_LIMIT // 2**20},
            field="content",
        )
    return data


def _expect(folder: Folder, path: str, etag: str | None) -> int:
    """The mode that the file keeps. Raises Changed when it is not as the writer knew it."""
    try:
        found = folder.stat(path)
    except FileNotFoundError:
        if etag:
            raise Changed(
                f"{path} was deleted",
                code=ErrorCode.FILE_DELETED,
                values={"path": path},
                hint="read it again",
            ) from None
        return 0o644
    if not stat.S_ISREG(found.st_mode):
        raise Invalid(
            f"{path} is no regular file",
            code=ErrorCode.FILE_NOT_REGULAR,
            values={"path": path},
            field="path",
        )
    if etag == NEW:
        raise Changed(
            f"{path} exists already",
            code=ErrorCode.FILE_EXISTS,
            values={"path": path},
            field="path",
        )
    if etag is not None and etag_of(read_whole(folder, path)) != etag:
        raise Changed(
            f"somebody else changed {path}",
            code=ErrorCode.FILE_CHANGED,
            values={"path": path},
            hint="read it again",
        )
    return stat.S_IMODE(found.st_mode) & 0o777


@router.post("/mkdir", status_code=204)
async def make_folder(user_id: UserId, app_id: AppId, path: FilePath, here: Here) -> None:
    here.touch(user_id)
    await here.in_app(user_id, app_id, path, Folder.make_folder)


@router.post("/move", status_code=204)
async def move(user_id: UserId, app_id: AppId, path: FilePath, to: str, here: Here) -> None:
    here.touch(user_id)
    target = clean(to)

    def work(folder: Folder, path: str) -> None:
        folder.stat(path)
        with told(target):
            folder.move(path, target)

    await here.in_app(user_id, app_id, path, work)


@router.post("/delete", status_code=204)
async def delete(user_id: UserId, app_id: AppId, path: FilePath, here: Here) -> None:
    """A folder by the container's own ``rm``: this process would need a descriptor for each level."""
    here.touch(user_id)
    folder = await here.in_app(user_id, app_id, path, Folder.delete)
    if folder is not None:
        await here.remove_folder(user_id, folder)


@router.put("/upload")
async def upload(
    user_id: UserId, app_id: AppId, path: FilePath, request: Request, here: Here
) -> dict[str, int]:
    """The body becomes the file, however large: nothing is seen of it before it is whole."""
    here.touch(user_id)
    with here.upload(user_id):
        return {"size": await _upload(user_id, app_id, clean(path), request, here)}


async def _upload(user_id: int, app_id: int, wanted: str, request: Request, here: State) -> int:
    size = 0

    def begin(folder: Folder, path: str) -> tuple[Folder, NewFile]:
        with folder.parent(path, make=True) as (parent, _):
            kept = parent.folder("")
            return kept, kept.new_file()

    folder, new = await here.in_app(user_id, app_id, wanted, begin)
    try:
        async for piece in pieces(request.stream()):
            size += len(piece)
            await in_thread(_write, new, piece, wanted)
        await in_thread(_put, new, wanted)
    finally:
        await in_thread(_close, folder, new)
    return size


async def pieces(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in larger pieces: each one costs a switch of threads."""
    buffer = bytearray()
    async for data in stream:
        buffer += data
        if len(buffer) >= CHUNK:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


def _write(new: NewFile, data: bytes, path: str) -> None:
    with told(path):
        new.write(data)


def _put(new: NewFile, path: str) -> None:
    with told(path):
        new.put(path.rpartition("/")[2])


def _close(folder: Folder, new: NewFile) -> None:
    with folder, new:
        return


@router.get("/download")
async def download(user_id: UserId, app_id: AppId, path: FilePath, here: Here) -> StreamingResponse:
    here.touch(user_id)

    def work(folder: Folder, path: str) -> BufferedReader:
        return os.fdopen(folder.regular(path), "rb")

    file = await here.in_app(user_id, app_id, path, work)
    size = os.fstat(file.fileno()).st_size
    name = quote(path.rpartition("/")[2])
    return StreamingResponse(
        _contents(file, size),
        media_type="application/octet-stream",
        headers={
            "Content-Length": str(size),
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        },
    )


def _contents(file: BufferedReader, size: int) -> Iterator[bytes]:
    """Exactly ``size`` bytes, also of a file that grows meanwhile."""
    with file:
        while size > 0:
            data = file.read(min(CHUNK, size))
            if not data:
                return
            size -= len(data)
            yield data
