"""A build is skipped for an image that the registry has, not for one that only the records know."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from activities import built
from activities.built import BuiltImages
from activities.contracts.records import FindBuiltInput
from ops.db.tables import App, Deployment
from ops.settings import Settings
from tests.support.memory import RecordsInMemory

SHOP = 3
LOST = "sha256:lost"
KEPT = "sha256:kept"
Answer = Callable[[httpx.Request], httpx.Response]


class RestoredOlder:
    """A registry that has one image, and had others before its disk was restored."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/registry/token":
            return httpx.Response(200, json={"token": "t"})
        assert request.headers["authorization"] == "Bearer t"
        self.asked.append(f"{request.method} {request.url.path}")
        digest = request.url.path.rpartition("/")[2]
        if digest != KEPT:
            return httpx.Response(404)
        return httpx.Response(200, headers={"Docker-Content-Digest": digest})


def refuses(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


def fails(request: httpx.Request) -> httpx.Response:
    return httpx.Response(503)


def fails_after_the_token(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/registry/token":
        return httpx.Response(200, json={"token": "t"})
    return httpx.Response(500)


def gives_no_token(request: httpx.Request) -> httpx.Response:
    return httpx.Response(404)


async def is_silent(request: httpx.Request) -> httpx.Response:
    await asyncio.sleep(60)
    raise AssertionError


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(home=tmp_path)
    made.secrets.mkdir(parents=True)
    (made.secrets / "control-token").write_text("c")
    return made


@pytest.fixture
async def records() -> RecordsInMemory:
    made = RecordsInMemory()
    await made.add(App(id=SHOP, user_id=7, name="shop", slug="shop", live_deployment_id=5))
    for id, digest, key in (
        (1, KEPT, "key-kept"),
        (2, LOST, "key-lost"),
        (3, LOST, "key-lost"),
        (5, "sha256:live", "key-live"),
    ):
        row: dict[str, Any] = {
            "app_id": SHOP,
            "user_id": 7,
            "kind": "deploy",
            "status": "SUCCEEDED",
        }
        await made.add(Deployment(id=id, digest=digest, build_key=key, repository="u7-app3", **row))
    return made


async def find(records: RecordsInMemory, settings: Settings, key: str) -> str | None:
    images = BuiltImages(settings, records)
    found = await images.find_built(FindBuiltInput(app_id=SHOP, build_key=key))
    return found.release.digest if found.release else None


async def gone(records: RecordsInMemory) -> set[int]:
    return {id for id in (1, 2, 3, 5) if (await records.again(Deployment, id)).image_gone}


def answer_with(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(httpx, "AsyncClient", partial(httpx.AsyncClient, transport=transport))


async def test_what_the_registry_has_is_not_built_again(
    records: RecordsInMemory, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = RestoredOlder()
    answer_with(monkeypatch, registry)
    assert await find(records, settings, "key-kept") == KEPT
    assert registry.asked == [f"HEAD /v2/{settings.image_namespace}/u7-app3/manifests/{KEPT}"]
    assert await find(records, settings, "key-new") is None
    assert len(registry.asked) == 1
    assert await gone(records) == set()


async def test_what_it_lost_is_built_and_started_from_no_more(
    records: RecordsInMemory, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(monkeypatch, RestoredOlder())
    for _ in range(2):
        assert await find(records, settings, "key-lost") is None
        assert await gone(records) == {2, 3}


async def test_what_was_pruned_is_not_found(
    records: RecordsInMemory, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = RestoredOlder()
    answer_with(monkeypatch, registry)
    async with records.session() as session:
        pruned = await session.get(Deployment, 1)
        assert pruned is not None
        pruned.image_gone = True
    assert await find(records, settings, "key-kept") is None
    assert registry.asked == []


async def test_the_release_that_serves_stays_one_that_a_repair_starts(
    records: RecordsInMemory, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(monkeypatch, RestoredOlder())
    assert await find(records, settings, "key-live") is None
    assert await gone(records) == set()


@pytest.mark.parametrize(
    "answer", [refuses, fails, fails_after_the_token, gives_no_token, is_silent]
)
async def test_a_registry_that_is_away_may_have_it(
    records: RecordsInMemory, settings: Settings, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    monkeypatch.setattr(built, "REGISTRY_SECONDS", 0.1)
    answer_with(monkeypatch, answer)
    assert await find(records, settings, "key-lost") == LOST
    assert await gone(records) == set()
