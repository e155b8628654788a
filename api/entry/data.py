"""The data of one's own app: its collections and documents.

Deploy control reads and writes them as the app itself; no password comes this far.
"""

from __future__ import annotations

from typing import Annotated

import httpx
from fastapi import APIRouter, Query, Response, status
from pydantic import BaseModel

from api.entry.deps import ChangeableApp, OwnedApp, Use
from api.entry.problems import errors
from api.entry.schemas_data import CollectionsOut, DocumentId, DocumentIn, DocumentsOut
from api.entry.services import Services
from ops.appdata import (
    MAX_LIMIT,
    MAX_SKIP,
    MAX_TEXT,
    Drop,
    Find,
    Insert,
    ListCollections,
    Remove,
    Replace,
)
from ops.db.tables import App
from ops.error_codes import ErrorCode
from ops.errors import Invalid, NodeUnavailable, PlatformError

router = APIRouter(prefix="/api/apps/{app_id}/data", tags=["data"])

PATIENCE = httpx.Timeout(15.0, connect=3.0)
NO_CONTENT = status.HTTP_204_NO_CONTENT
READING = errors(401, 404, 409, 422, 503)
WRITING = errors(401, 403, 404, 409, 422, 429, 503)

Collection = Annotated[
    str, Query(max_length=500, description="A name may hold a slash", examples=["notes"])
]
WhichId = Annotated[
    str,
    Query(
        alias="id",
        max_length=MAX_TEXT,
        description="The document's _id, as extended JSON",
        examples=['{"$oid": "65b9f3c2a1b2c3d4e5f60718"}', '"ada"', "7"],
    ),
]


@router.get("/collections", responses=READING, response_model=CollectionsOut)
async def list_collections(app: OwnedApp, use: Use) -> Response:
    """The app's collections, and how many documents each has."""
    return await _ask(use, app, ListCollections())


@router.get("/documents", responses=READING, response_model=DocumentsOut)
async def find_documents(
    app: OwnedApp,
    use: Use,
    collection: Collection,
    filter: Annotated[
        str,
        Query(
            max_length=MAX_TEXT,
            description="Extended JSON; operators that compare are possible",
            examples=['{"done": false, "price": {"$gt": 10}}'],
        ),
    ] = "{}",
    sort: Annotated[
        str,
        Query(
            max_length=MAX_TEXT,
            description="1 rises, -1 falls; the first field counts most",
            examples=['{"price": -1}'],
        ),
    ] = "{}",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
    skip: Annotated[int, Query(ge=0, le=MAX_SKIP)] = 0,
    canonical: Annotated[
        bool, Query(description="Numbers with their types, for a document to be written back")
    ] = False,
) -> Response:
    """Documents that a filter finds, within five seconds and 16 MB."""
    asked = Find(
        collection=collection,
        filter=filter,
        sort=sort,
        limit=limit,
        skip=skip,
        canonical=canonical,
    )
    return await _ask(use, app, asked)


@router.post(
    "/documents",
    status_code=status.HTTP_201_CREATED,
    responses=WRITING,
    response_model=DocumentId,
)
async def insert_document(
    app: ChangeableApp, use: Use, collection: Collection, body: DocumentIn
) -> Response:
    """A new document; without an ``_id`` it gets one. The first makes the collection."""
    asked = Insert(collection=collection, document=body.document)
    return await _ask(use, app, asked, status.HTTP_201_CREATED)


@router.put("/documents", status_code=NO_CONTENT, responses=WRITING)
async def replace_document(
    app: ChangeableApp, use: Use, collection: Collection, which: WhichId, body: DocumentIn
) -> Response:
    """The whole document anew; its ``_id`` stays."""
    asked = Replace(collection=collection, id=which, document=body.document)
    return await _ask(use, app, asked, NO_CONTENT)


@router.delete("/documents", status_code=NO_CONTENT, responses=WRITING)
async def delete_document(
    app: ChangeableApp, use: Use, collection: Collection, which: WhichId
) -> Response:
    """This one document is gone."""
    return await _ask(use, app, Remove(collection=collection, id=which), NO_CONTENT)


@router.delete("/collections", status_code=NO_CONTENT, responses=WRITING)
async def drop_collection(
    app: ChangeableApp,
    use: Use,
    collection: Collection,
    confirm: Annotated[
        str, Query(max_length=500, description="The collection's name once more")
    ] = "",
) -> Response:
    """The collection with all of its documents is gone for good."""
    if confirm != collection:
        raise Invalid(
            "a collection is only deleted when its name is given once more",
            code=ErrorCode.CONFIRM_NAME,
            field="confirm",
        )
    return await _ask(use, app, Drop(collection=collection), NO_CONTENT)


async def _ask(use: Services, app: App, asked: BaseModel, done: int = 200) -> Response:
    """Deploy control's own answer, also when it is a refusal."""
    try:
        answer = await use.control.post(
            f"/apps/{app.id}/data",
            json=asked.model_dump(),
            timeout=PATIENCE,
        )
    except httpx.HTTPError as error:
        raise NodeUnavailable(
            "the deploy control does not answer just now",
            code=ErrorCode.CONTROL_AWAY,
            hint="try again in a minute",
        ) from error
    if answer.status_code in (401, 403):
        raise PlatformError("deploy control does not know the entry's token")
    if answer.status_code == 200:
        if done == NO_CONTENT:
            return Response(status_code=NO_CONTENT)
        return Response(answer.content, status_code=done, media_type="application/json")
    return Response(
        answer.content,
        status_code=answer.status_code,
        media_type=answer.headers.get("content-type", "application/json"),
    )
