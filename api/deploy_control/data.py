"""An app's own data for its owner: the entry asks, this host connects as the app.

The app's password is opened here and goes nowhere. A question has five seconds, an answer at most
4 MB as it is stored, a document 2 MB: more is looked at by its length only. What is made into text
is made in a thread, since this host's own work goes on beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any
from weakref import WeakValueDictionary

import pymongo
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from fastapi import APIRouter, Response
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from activities.database_sizes import DatabaseSize
from api.deploy_control import documents
from api.deploy_control.auth import AnEntry
from api.deploy_control.secrets import mongodb_uri
from api.deploy_control.state import AState, State
from ops.appdata import Ask, Drop, Find, Insert, ListCollections, Remove, Replace
from ops.crypto import database_context
from ops.error_codes import ErrorCode
from ops.errors import Conflict, Invalid, NodeUnavailable, NotFound, PlatformError
from ops.logtext import plain

router = APIRouter(tags=["data"])

SECONDS = 5.0
ANSWER_BYTES = 4 * 1024 * 1024
SHOWN_BYTES = 2 * 1024 * 1024
BATCH = 20
AT_ONCE = 4
"""Questions that are answered at a time, of all apps: each may hold an answer in memory."""
WAIT_SECONDS = 5.0
"""Who asks does not wait for longer either."""
AT_ONCE_PER_APP = 2
SHOWN_COLLECTIONS = 200
AUTHENTICATION_FAILED = frozenset({13, 18})
_slots = asyncio.Semaphore(AT_ONCE)
_slots_of_app: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()
ANY_TIME = CodecOptions[dict[str, Any]](datetime_conversion=DatetimeConversion.DATETIME_AUTO)
"""Also times that Python's own type cannot hold: apps store what they like."""

AS_STORED = CodecOptions[RawBSONDocument](
    document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)

Data = AsyncDatabase[dict[str, Any]]


@router.post("/apps/{app_id}/data")
async def ask(app_id: int, asked: Ask, entry: AnEntry, state: AState) -> Response:
    """Answers JSON. The entry has made sure whose app it is."""
    if isinstance(asked, Insert | Replace):
        state.sizes.refuse_when_full(app_id)
    async with _turn(app_id), _connected(state, app_id) as data:
        text = await _answer(data, asked, state.sizes.of(app_id))
    return Response(text, media_type="application/json")


@asynccontextmanager
async def _turn(app_id: int) -> AsyncIterator[None]:
    """A place among those who are answered. Raises NodeUnavailable when none gets free."""
    own = _slots_of_app.setdefault(app_id, asyncio.Semaphore(AT_ONCE_PER_APP))
    async with AsyncExitStack() as held:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await held.enter_async_context(own)
                await held.enter_async_context(_slots)
        except TimeoutError:
            raise NodeUnavailable(
                "too many questions about data are asked just now",
                code=ErrorCode.DATA_BUSY,
                hint="try again in a minute",
            ) from None
        yield


async def _answer(data: Data, asked: Ask, size: DatabaseSize | None) -> str:
    if isinstance(asked, ListCollections):
        return await _list(data, size)
    name = documents.collection_name(asked.collection)
    match asked:
        case Find():
            return await _find(data, name, asked)
        case Insert():
            return await _insert(data, name, asked)
        case Replace():
            return await _replace(data, name, asked)
        case Remove():
            return await _remove(data, name, asked)
        case Drop():
            await _known(data, name)
            await data.drop_collection(name)
            return "{}"


async def _list(data: Data, size: DatabaseSize | None) -> str:
    names = sorted(
        name for name in await data.list_collection_names() if not documents.hidden(name)
    )
    shown = [
        {"name": name, "documents": await data[name].estimated_document_count()}
        for name in names[:SHOWN_COLLECTIONS]
    ]
    full = size is not None and size.full
    return documents.shown({"collections": shown, "total": len(names), "full": full}, "relaxed")


async def _find(data: Data, name: str, asked: Find) -> str:
    wanted, order = documents.query(asked.filter), documents.order(asked.sort)
    cursor = (
        data[name]
        .with_options(codec_options=AS_STORED)
        .find(wanted, limit=asked.limit + 1, skip=asked.skip, batch_size=BATCH, sort=order or None)
    )
    found: list[RawBSONDocument] = []
    size = 0
    more = False
    async with cursor:
        async for document in cursor:
            size += len(document.raw)
            large = len(document.raw) > SHOWN_BYTES
            more = len(found) == asked.limit or (bool(found) and (large or size > ANSWER_BYTES))
            if more:
                break
            if large:
                before = asked.skip + len(found)
                raise Invalid(
                    f"the document after {before} others is larger than can be shown",
                    code=ErrorCode.DOCUMENT_NOT_SHOWN,
                    values={"count": before},
                    hint="skip it",
                )
            found.append(document)
    kind: documents.Kind = "canonical" if asked.canonical else "relaxed"
    texts = await asyncio.to_thread(lambda: [documents.shown(one, kind) for one in found])
    return f'{{"documents": [{", ".join(texts)}], "more": {str(more).lower()}}}'


async def _insert(data: Data, name: str, asked: Insert) -> str:
    made = await data[name].insert_one(documents.document(asked.document))
    return documents.shown({"id": made.inserted_id}, "canonical")


async def _replace(data: Data, name: str, asked: Replace) -> str:
    which, new = documents.identity(asked.id), documents.document(asked.document)
    if "_id" in new and new["_id"] != which["_id"]["$eq"]:
        raise Invalid(
            "the _id of a document cannot change",
            code=ErrorCode.DOCUMENT_ID_FIXED,
            field="document._id",
        )
    if (await data[name].replace_one(which, new)).matched_count == 0:
        raise _no_document()
    return "{}"


async def _remove(data: Data, name: str, asked: Remove) -> str:
    if (await data[name].delete_one(documents.identity(asked.id))).deleted_count == 0:
        raise _no_document()
    return "{}"


async def _known(data: Data, name: str) -> None:
    if name not in await data.list_collection_names():
        raise NotFound(
            f"there is no collection {name!r}",
            code=ErrorCode.COLLECTION_MISSING,
            values={"name": name},
        )


def _no_document() -> NotFound:
    return NotFound(
        "there is no document with this _id",
        code=ErrorCode.DOCUMENT_MISSING,
        hint="it may have been deleted meanwhile",
    )


@asynccontextmanager
async def _connected(state: State, app_id: int) -> AsyncIterator[Data]:
    """The app's own database, as the app. Raises Conflict when it has none yet."""
    app = await state.app(app_id)
    if app.database_password is None:
        raise Conflict(
            "the app has no database yet",
            code=ErrorCode.NO_DATABASE,
            hint="it is made when the app is deployed for the first time",
        )
    password = state.vault.decrypt(app.database_password, database_context(app_id))
    milliseconds = int(SECONDS * 1000)
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        mongodb_uri(state.settings, app_id, password),
        directConnection=True,
        maxPoolSize=1,
        retryReads=False,
        retryWrites=False,
        serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds,
    )
    try:
        with _told(), pymongo.timeout(SECONDS):
            async with asyncio.timeout(SECONDS + 1):
                yield client.get_default_database().with_options(codec_options=ANY_TIME)
    finally:
        await client.close()


@contextmanager
def _told() -> Iterator[None]:
    """The server's errors in words; what it says of itself may quote the owner's own query."""
    try:
        yield
    except DuplicateKeyError:
        raise Conflict(
            "another document has this _id (or unique value) already",
            code=ErrorCode.DOCUMENT_EXISTS,
        ) from None
    except (ExecutionTimeout, TimeoutError):
        raise _too_long() from None
    except OperationFailure as error:
        if error.code in AUTHENTICATION_FAILED:
            raise PlatformError("the app's database does not let the platform in") from error
        said = plain(str((error.details or {}).get("errmsg", error)))[:300]
        raise Invalid(
            "the database refused this",
            code=ErrorCode.DATABASE_REFUSED,
            values={"why": said},
            hint=said,
        ) from None
    except PyMongoError as error:
        if error.timeout and not isinstance(error, ServerSelectionTimeoutError):
            raise _too_long() from None
        raise NodeUnavailable(
            "the database does not answer just now",
            code=ErrorCode.DATABASE_AWAY,
            hint="try again in a minute",
        ) from error


def _too_long() -> Invalid:
    return Invalid(
        f"this took longer than {SECONDS:g} seconds",
        code=ErrorCode.DATA_TOO_SLOW,
        values={"seconds": SECONDS},
        hint="ask for fewer documents, or by a field that has an index",
    )
