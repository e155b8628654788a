"""What the owner of an app sees of it beside its log: figures, what changed, and its data."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support import apps
from tests.support.platform import Platform
from tests.support.user import App, User, ok


@pytest_asyncio.fixture(scope="module")
async def shop(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    """A live app that all of these tests look at."""
    async with User.registered(platform.settings, tmp_path_factory.mktemp("home")) as user:
        app = await user.app(apps.hello("one"))
        deployment = await app.deployed()
        assert deployment["status"] == "SUCCEEDED", deployment
        yield app


async def test_what_changed_since_the_live_commit(shop: App) -> None:
    live = (await shop.git("rev-parse", "HEAD")).strip()
    same = ok(await shop.api.get(f"/api/apps/{shop.id}/changes"))
    assert (same["before"], same["after"], same["known"]) == (live, live, True)
    assert same["added"] == same["taken_back"] == []

    first = await shop.push(apps.hello("two"), "two \x1b[31m<b>red</b>\x1b]0;title\x07")
    second = await shop.push(apps.hello("three"), "three\n\nwhy it was done")
    waiting = ok(await shop.api.get(f"/api/apps/{shop.id}/changes"))
    assert [one["commit"] for one in waiting["added"]] == [second, first]
    assert [one["subject"] for one in waiting["added"]] == ["three", "two <b>red</b>"]
    assert (waiting["added"][0]["author"], waiting["added_total"]) == ("Ada", 2)

    deployment = await shop.deployed()
    assert deployment["status"] == "SUCCEEDED", deployment
    brought = ok(await shop.api.get(f"/api/deployments/{deployment['id']}/changes"))
    assert (brought["before"], brought["after"]) == (live, second)
    assert [one["commit"] for one in brought["added"]] == [second, first]

    back = ok(await shop.ask("rollback"), 202)["id"]
    assert (await shop.ended(back))["status"] == "SUCCEEDED"
    undone = ok(await shop.api.get(f"/api/deployments/{back}/changes"))
    assert undone["added"] == []
    assert [one["commit"] for one in undone["taken_back"]] == [second, first]


async def test_without_a_live_release_there_is_nothing_to_compare_with(user: User) -> None:
    app = await user.app({"README.md": "nothing is live"})
    found = ok(await user.api.get(f"/api/apps/{app.id}/changes"))
    assert (found["known"], found["before"]) == (False, None)
    assert found["after"]
    missing = ok(await user.api.get(f"/api/apps/{app.id}/changes", params={"ref": "no-such"}))
    assert missing["after"] is None


class Data:
    """The data of an app as its owner sees it."""

    def __init__(self, app: App) -> None:
        self._api = app.api
        self._base = f"/api/apps/{app.id}/data"

    async def ask(
        self, method: str, collection: str, body: Any = None, **params: Any
    ) -> httpx.Response:
        """Of its documents."""
        return await self._asked(method, "/documents", body, collection=collection, **params)

    async def listed(self) -> httpx.Response:
        return await self._asked("GET", "/collections")

    async def drop(self, collection: str, confirm: str) -> httpx.Response:
        named = {"collection": collection, "confirm": confirm}
        return await self._asked("DELETE", "/collections", **named)

    async def _asked(
        self, method: str, path: str, body: Any = None, **params: Any
    ) -> httpx.Response:
        sent = {
            name: json.dumps(value) if isinstance(value, dict | list) else value
            for name, value in params.items()
        }
        return await self._api.request(method, self._base + path, params=sent, json=body)

    async def insert(self, collection: str, document: dict[str, Any]) -> Any:
        answer = await self.ask("POST", collection, {"document": document})
        return ok(answer, 201)["id"]

    async def find(self, collection: str, **params: Any) -> dict[str, Any]:
        found: dict[str, Any] = ok(await self.ask("GET", collection, **params))
        return found

    async def names(self) -> dict[str, int]:
        found = ok(await self.listed())["collections"]
        return {one["name"]: one["documents"] for one in found}


async def test_documents_are_found_changed_and_deleted(shop: App) -> None:
    data = Data(shop)
    ids = [await data.insert("notes", {"n": n, "kind": "a" if n < 3 else "b"}) for n in range(5)]
    assert (await data.names())["notes"] == 5
    page = await data.find("notes", filter={"n": {"$gte": 1}}, sort={"n": -1}, limit=2)
    assert ([d["n"] for d in page["documents"]], page["more"]) == ([4, 3], True)
    rest = await data.find("notes", filter={"n": {"$gte": 1}}, sort={"n": -1}, limit=2, skip=2)
    assert ([d["n"] for d in rest["documents"]], rest["more"]) == ([2, 1], False)

    (first,) = (await data.find("notes", filter={"_id": ids[0]}, canonical="true"))["documents"]
    assert first["n"] == {"$numberInt": "0"}
    changed = {"_id": ids[0], "text": "<b>\u001b[31m", "at": {"$date": "2025-01-31T12:00:00Z"}}
    answer = await data.ask("PUT", "notes", {"document": changed}, id=ids[0])
    assert answer.status_code == 204, answer.text
    assert (await data.find("notes", filter={"_id": ids[0]}))["documents"] == [changed]
    other = await data.ask("PUT", "notes", {"document": {"_id": 7}}, id=ids[0])
    assert other.status_code == 422, other.text

    again = await data.ask("POST", "notes", {"document": {"_id": ids[1]}})
    assert again.status_code == 409, again.text
    assert (await data.ask("DELETE", "notes", id=ids[1])).status_code == 204
    assert (await data.ask("DELETE", "notes", id=ids[1])).status_code == 404
    assert (await data.names())["notes"] == 4

    assert (await data.drop("notes", "note")).status_code == 422
    assert (await data.names())["notes"] == 4
    assert (await data.drop("notes", "notes")).status_code == 204
    assert "notes" not in await data.names()
    assert (await data.drop("notes", "notes")).status_code == 404


async def test_a_collection_may_be_named_like_an_address(shop: App) -> None:
    data = Data(shop)
    for name in ("x/documents", "a/./b", "50% off?&#+", "笔记"):
        made = await data.insert(name, {"n": 1})
        assert (await data.find(name))["documents"] == [{"_id": made, "n": 1}]
        assert (await data.ask("DELETE", name, id=made)).status_code == 204
        assert (await data.drop(name, name)).status_code == 204
        assert name not in await data.names()


async def test_a_question_runs_no_code_and_reaches_nothing_else(
    shop: App, platform: Platform
) -> None:
    data = Data(shop)
    await data.insert("kept", {"n": 1})
    refused: list[Any] = [{"$where": "1"}, {"n": {"$function": {}}}, {"$out": "x"}, "nonsense"]
    for text in refused:
        answer = await data.ask("GET", "kept", filter=text)
        assert answer.status_code == 422, answer.text
        assert answer.json()["field"] == "filter"
    for name in ("system.users", "_ferretdb_database_metadata", "a$b", "a/../b", "x" * 200):
        answer = await data.ask("GET", name)
        assert answer.status_code == 422, (name, answer.text)
    anything = await data.ask("DELETE", "kept", id={"$ne": None})
    assert anything.status_code == 422, anything.text
    large = await data.ask("POST", "kept", {"document": {"text": "x" * 1_100_000}})
    assert large.status_code == 422, large.text[:200]
    assert (await data.find("kept"))["documents"][0]["n"] == 1
    # Not a trace of how the platform connects, in whatever is answered.
    for answer in (anything, large, await data.ask("GET", "kept", filter="{")):
        assert "mongodb://" not in answer.text
        assert str(platform.settings.service_address) not in answer.text


async def test_an_answer_has_a_limit(shop: App) -> None:
    data = Data(shop)
    for _ in range(6):
        await data.insert("large", {"text": "x" * 1_000_000})
    page = await data.find("large", limit=200)
    assert 2 < len(page["documents"]) < 6
    assert page["more"]
    rest = await data.find("large", limit=200, skip=len(page["documents"]))
    assert len(page["documents"]) + len(rest["documents"]) == 6
    assert (await data.drop("large", "large")).status_code == 204


async def test_a_database_that_is_away_is_no_fault_of_the_question(
    shop: App, platform: Platform
) -> None:
    await asyncio.to_thread(platform.stop, "mongo")
    try:
        answer = await Data(shop).listed()
        assert answer.status_code == 503, answer.text
    finally:
        await asyncio.to_thread(platform.start, "mongo")
    assert await Data(shop).names()


async def test_an_app_without_a_database_says_so(user: User) -> None:
    app = App(user, ok(await user.api.post("/api/apps", json={"name": "new"}), 201))
    answer = await Data(app).listed()
    assert answer.status_code == 409, answer.text
    assert "deployed" in answer.json()["hint"]


async def test_the_figures_of_an_app_over_time(shop: App) -> None:
    # Last: by now there is a minute that figures can tell of.
    found: dict[str, Any] = {}
    try:
        async with asyncio.timeout(90):
            while not found or not any(p["cpu"] is not None for p in found["series"]):
                found = ok(await shop.api.get(f"/api/apps/{shop.id}/metrics"))
                await asyncio.sleep(1)
    except TimeoutError:
        raise AssertionError(f"no figures: {found}") from None
    known = [p for p in found["series"] if p["memory_bytes"]]
    # A Node server that answers one page: more than nothing, and within what it may take.
    assert known, found
    assert all(2**20 < p["memory_bytes"] <= found["memory_limit_bytes"] for p in known)
    assert all((p["cpu"] or 0) <= found["cpu_limit"] + 0.2 for p in known)
    times = [p["at"] for p in found["series"]]
    assert times == sorted(times)
