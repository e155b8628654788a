"""How many apps a user may have, and how many of them may be live."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest_asyncio

from ops.db.session import Database
from ops.db.tables import App
from tests.support import apps
from tests.support.platform import Platform
from tests.support.user import User

Fill = Callable[..., Any]


@pytest_asyncio.fixture
async def fill(platform: Platform, user: User) -> AsyncIterator[Fill]:
    """Gives the user so many apps more, of which nothing but the record exists."""
    database = Database.connect(platform.settings)
    made: list[App] = []

    async def fill(count: int, **columns: Any) -> None:
        async with database.session() as session:
            for _ in range(count):
                slug = f"t{secrets.token_hex(8)}"
                made.append(App(user_id=user.id, name=slug, slug=slug, **columns))
                session.add(made[-1])
            await session.commit()

    yield fill
    async with database.session() as session:
        for app in made:
            await session.delete(app)
        await session.commit()
    await database.close()


async def test_the_last_app_is_made_once(platform: Platform, user: User, fill: Fill) -> None:
    limit = platform.settings.max_apps
    await fill(limit - 1)
    asked = [user.api.post("/api/apps", json={"name": "one more"}) for _ in range(3)]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [201, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429).json()
    assert refused["code"] == "apps_limit"
    assert str(limit) in refused["detail"]


async def test_no_more_apps_go_live_than_may(platform: Platform, user: User, fill: Fill) -> None:
    app = await user.app(apps.hello())
    await fill(platform.settings.max_live, live_deployment_id=2**40)
    refused = await app.ask("deployments")
    assert refused.status_code == 429
    assert refused.json()["code"] == "live_limit"
