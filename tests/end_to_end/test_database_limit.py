"""An app that fills its database keeps what it has, and nothing more, until it deletes something."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from tests.support import apps
from tests.support.platform import Platform
from tests.support.user import User, ok

SECONDS = 120.0


async def within(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    try:
        async with asyncio.timeout(SECONDS):
            while not await holds():
                await asyncio.sleep(1)
    except TimeoutError:
        raise AssertionError(f"not within {SECONDS} s: {what}") from None


async def refused(asked: Awaitable[Any]) -> bool:
    try:
        await asked
    except OperationFailure:
        return True
    return False


async def test_a_full_database_takes_nothing_more_until_something_is_deleted(
    platform: Platform, user: User
) -> None:
    app = await user.app(apps.shows_environment())
    assert (await app.deployed())["status"] == "SUCCEEDED"
    path = f"/api/apps/{app.id}/data"
    params = {"collection": "notes"}

    async def told_full() -> bool:
        return bool(ok(await app.api.get(f"{path}/collections"))["full"])

    uri = (await app.get()).json()["env"]["MONGODB_URI"]
    large = platform.settings.database_mb + 8
    async with AsyncMongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=5000) as client:
        data = client.get_default_database()
        notes = data["notes"]
        await data["others"].insert_one({"_id": 1})
        for number in range(large):
            # A megabyte in which PostgreSQL finds nothing to compress.
            document = {"_id": number, "text": secrets.token_hex(512 * 1024)}
            if await refused(notes.insert_one(document)):
                break

        async def is_refused() -> bool:
            return await refused(notes.insert_one({"text": "one more"}))

        await within(is_refused, "its role may insert nothing")
        assert await refused(notes.update_one({"_id": 0}, {"$set": {"text": "other"}}))
        assert await refused(data["new"].insert_one({"text": "in a new collection"}))
        assert await refused(notes.create_index("text"))
        assert await notes.find_one({"_id": 0}) is not None
        await within(told_full, "the page is told")
        answer = await app.api.post(f"{path}/documents", params=params, json={"document": {"a": 1}})
        assert ok(answer, 429)["code"] == "database_full"

        # Of a deletion the files stay as large.
        await data["others"].drop()
        assert (await notes.delete_many({"_id": {"$gt": 3}})).deleted_count > 10

        async def is_taken() -> bool:
            return not await is_refused()

        await within(is_taken, "its role may insert again")
        assert not await refused(notes.update_one({"_id": 0}, {"$set": {"text": "other"}}))
        assert not await refused(data["new"].insert_one({"text": "in a new collection"}))
        assert not await told_full()
        answer = await app.api.post(f"{path}/documents", params=params, json={"document": {"a": 1}})
        ok(answer, 201)
