"""A platform that answers late, once more, or not at all: pages wait for it and say so."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import Page, Route, expect

from tests.browser.support import refusing
from tests.support.user import User, ok

#: More than a list waits until it is looked at again.
LATER_MS = 5000


async def test_a_page_that_is_loaded_meanwhile_waits_and_signs_nobody_out(
    page: Page, user: User
) -> None:
    app = ok(await user.api.post("/api/apps", json={"name": "Shop"}), 201)
    asked = re.compile(r"/api/me$")
    await page.route(asked, refusing(502))
    await page.goto(f"/app/{app['id']}/settings")
    away = page.get_by_text("The studio does not answer; trying again.")
    await expect(away).to_be_visible()
    await page.unroute(asked)
    await expect(page.get_by_label("Name")).to_have_value("Shop")
    await expect(away).to_have_count(0)
    await expect(page).to_have_url(re.compile(rf"/app/{app['id']}/settings$"))


async def test_an_answer_that_comes_after_the_next_look_was_due_is_shown(
    page: Page, user: User
) -> None:
    ok(await user.api.post("/api/apps", json={"name": "Shop"}), 201)
    come, asked = asyncio.Event(), 0

    async def late(route: Route) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            await route.abort()
        else:
            await come.wait()
            await route.continue_()

    await page.clock.install()
    await page.route(re.compile(r"/api/apps$"), late)
    async with page.expect_request(re.compile(r"/api/apps$")):
        await page.goto("/apps")
    await page.clock.fast_forward(LATER_MS)
    come.set()
    await expect(page.get_by_role("article", name="Shop")).to_be_visible()
