"""Files of an app in the workspace. Paths are relative to the app's folder."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from api.entry.deps import Me, Use, changeable, own_app
from api.entry.fields import Given, Taken
from api.entry.problems import Responses, errors
from api.entry.workspace_node import ChangeApp, FilePath, ReadApp, call

router = APIRouter(prefix="/api/workspace/files", tags=["workspace"])

FAILS = errors(401, 403, 404, 409, 422, 503)
WRITE_FAILS = errors(401, 403, 404, 409, 412, 422, 503, 507)
UPLOAD_FAILS = WRITE_FAILS | errors(429)
APP = Field(ge=1, le=2**53, examples=[7])
A_TEXT = Field(examples=["console.log('hello')"])
AN_ETAG = Field(examples=["a94f5374fce5edbc"])
A_PATH = Field(max_length=4000, examples=["src/main.js"])
Everything = Annotated[
    bool, Query(alias="all", description="Also node_modules, .git, dist and their kin")
]


class Entry(Given):
    path: str = Field(examples=["src/main.js"])
    type: Literal["file", "folder", "link", "other"]
    size: int = Field(examples=[20])
    mtime: float = Field(examples=[1738324800.25], description="Seconds since 1970")


class Tree(Given):
    entries: list[Entry]
    truncated: bool = Field(description="There are more than an answer holds")


class Content(Given):
    content: str = A_TEXT
    etag: str = AN_ETAG
    encoding: Literal["utf-8", "base64"]


class NewContent(Taken):
    content: str = A_TEXT
    encoding: Literal["utf-8", "base64"] = "utf-8"
    etag: str | None = Field(
        default=None,
        max_length=64,
        examples=["a94f5374fce5edbc"],
        description="What was read: 412 when it is another meanwhile. "
        "Empty: only a new file. None: whatever is there is replaced",
    )


class Etag(Given):
    etag: str = AN_ETAG


class OnePath(Taken):
    app_id: int = APP
    path: str = A_PATH


class Move(Taken):
    app_id: int = APP
    path: str = A_PATH
    to: str = Field(max_length=4000, examples=["src/app.js"])


class Match(Given):
    path: str = Field(examples=["src/main.js"])
    line: int = Field(examples=[1])
    text: str = A_TEXT
    columns: list[list[int]] = Field(
        examples=[[[0, 7]]], description="Begin and end of each match, in bytes"
    )


class Matches(Given):
    matches: list[Match]
    truncated: bool


def _answers(model: type[Given]) -> Responses:
    return {200: {"model": model}}


def _binary(media_type: str) -> Responses:
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"content": {media_type: schema}, "description": "The file"}}


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("/tree", responses=_answers(Tree) | FAILS, response_class=Response)
async def read_tree(
    app_id: ReadApp, me: Me, use: Use, path: FilePath = "", everything: Everything = False
) -> Response:
    """Everything below a folder, up to 20,000 entries."""
    params = {"app_id": app_id, "path": path, "all": everything}
    return await call(use, me, "GET", "/files/tree", params=params)


@router.get("/content", responses=_answers(Content) | FAILS, response_class=Response)
async def read_content(app_id: ReadApp, path: FilePath, me: Me, use: Use) -> Response:
    """A file of up to 5 MB; what is no UTF-8 text comes as base64."""
    return await call(use, me, "GET", "/files/content", params={"app_id": app_id, "path": path})


@router.put("/content", responses=_answers(Etag) | WRITE_FAILS, response_class=Response)
async def write_content(
    app_id: ChangeApp, path: FilePath, body: NewContent, me: Me, use: Use
) -> Response:
    """Replaces the file in one step; missing folders are made."""
    return await call(
        use,
        me,
        "PUT",
        "/files/content",
        params={"app_id": app_id, "path": path},
        body=body.model_dump(),
    )


@router.post("/mkdir", status_code=204, responses=WRITE_FAILS, response_class=Response)
async def make_folder(body: OnePath, me: Me, use: Use) -> Response:
    """Makes a folder, with those above it. It may be there already."""
    changeable(await own_app(use, me, body.app_id))
    return await call(use, me, "POST", "/files/mkdir", params=body.model_dump())


@router.post("/move", status_code=204, responses=WRITE_FAILS, response_class=Response)
async def move_file(body: Move, me: Me, use: Use) -> Response:
    """Moves or renames a file or folder; never onto another (409)."""
    changeable(await own_app(use, me, body.app_id))
    return await call(use, me, "POST", "/files/move", params=body.model_dump())


@router.post("/delete", status_code=204, responses=FAILS, response_class=Response)
async def delete_file(body: OnePath, me: Me, use: Use) -> Response:
    """Deletes a file, or a folder with all that is in it."""
    await own_app(use, me, body.app_id)
    return await call(use, me, "POST", "/files/delete", params=body.model_dump())


@router.put("/upload", responses=UPLOAD_FAILS, response_class=Response, openapi_extra=_BODY)
async def upload_file(
    app_id: ChangeApp, path: FilePath, request: Request, me: Me, use: Use
) -> Response:
    """The body becomes the file, of any size that the disk has room for."""
    return await call(
        use,
        me,
        "PUT",
        "/files/upload",
        params={"app_id": app_id, "path": path},
        content=request.stream(),
        endless=True,
    )


@router.get(
    "/download", responses=_binary("application/octet-stream") | FAILS, response_class=Response
)
async def download_file(app_id: ReadApp, path: FilePath, me: Me, use: Use) -> Response:
    """A file of any size."""
    return await call(
        use, me, "GET", "/files/download", params={"app_id": app_id, "path": path}, endless=True
    )


@router.get("/archive", responses=_binary("application/zip") | FAILS, response_class=Response)
async def download_archive(
    app_id: ReadApp, me: Me, use: Use, path: FilePath = "", everything: Everything = False
) -> Response:
    """A folder as a zip archive."""
    params = {"app_id": app_id, "path": path, "all": everything}
    return await call(use, me, "GET", "/files/archive", params=params, endless=True)


@router.post("/archive", responses=UPLOAD_FAILS, response_class=Response, openapi_extra=_BODY)
async def upload_archive(
    app_id: ChangeApp, request: Request, me: Me, use: Use, path: FilePath = ""
) -> Response:
    """Unpacks a zip archive into a folder. Links, and names that lead out of it, are refused."""
    return await call(
        use,
        me,
        "POST",
        "/files/archive",
        params={"app_id": app_id, "path": path},
        content=request.stream(),
        endless=True,
    )


@router.get("/search", responses=_answers(Matches) | FAILS, response_class=Response)
async def search_files(
    app_id: ReadApp,
    me: Me,
    use: Use,
    q: Annotated[str, Query(min_length=1, max_length=500)],
    regex: bool = False,
    case: bool = False,
) -> Response:
    """Lines that hold a text, or match a regular expression; what Git ignores is left out."""
    params = {"app_id": app_id, "q": q, "regex": regex, "case": case}
    return await call(use, me, "GET", "/files/search", params=params)


@router.get(
    "/watch",
    responses={
        200: {
            "content": {"text/event-stream": {}},
            "description": "`ready`, then `changes` {changes: [{path, what}]}; "
            "`reload`: look at everything anew",
        },
        **FAILS,
        **errors(429),
    },
    response_class=Response,
)
async def watch_files(app_id: ReadApp, me: Me, use: Use) -> Response:
    """Changes as they happen, whoever makes them."""
    return await call(use, me, "GET", "/files/watch", params={"app_id": app_id}, endless=True)
