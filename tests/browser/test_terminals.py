"""Terminals of the studio page: what becomes of the shell behind one."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import Browser, Page, Route, expect

from tests.browser.studio import OPENS_MS
from tests.browser.support import Window, signed_in
from tests.support.nodes import until
from tests.support.user import User
from tests.support.workspace import OpenApp

RUNS = "pgrep -xf 'sleep 4321' || echo none"


async def test_a_reload_comes_back_to_the_shell_and_a_closed_tab_ends_it(
    page: Page, user: User
) -> None:
    app = await OpenApp.opened(user)
    await page.goto(f"/studio/{app.id}")
    await page.get_by_role("button", name="New terminal").click()
    terminal = page.get_by_role("group", name="Terminal 1")
    await expect(terminal).to_have_attribute("data-state", "open")
    await terminal.locator("textarea").focus()
    await page.keyboard.type("sleep 4321\n")

    async def runs() -> bool:
        return await app.shell(RUNS) != "none"

    await until(runs, 10, "it runs")
    pid = await app.shell(RUNS)
    await page.reload()
    await expect(terminal).to_have_attribute("data-state", "open")
    await expect(terminal.locator(".xterm-rows")).to_contain_text("sleep 4321")
    assert await app.shell(RUNS) == pid
    await page.get_by_title("Close terminal 1").click()
    await expect(terminal).to_have_count(0)

    async def ended() -> bool:
        return not await runs()

    await until(ended, 10, "it has ended with its tab")


async def test_on_a_narrow_screen_it_stays_while_other_parts_are_looked_at(
    browser: Browser, user: User
) -> None:
    app = await OpenApp.opened(user, "static")
    async with Window.opened(
        browser,
        user.settings,
        await signed_in(user),
        viewport={"width": 420, "height": 800},
    ) as page:
        chosen = asyncio.Event()

        async def when_a_part_was_chosen(route: Route) -> None:
            await chosen.wait()
            await route.continue_()

        await page.route(re.compile(r"/api/workspace/files/tree\?"), when_a_part_was_chosen)
        await page.goto(f"/studio/{app.id}")
        parts = page.locator(".narrow-bar button")
        await parts.nth(2).click(timeout=OPENS_MS)
        await page.get_by_role("button", name="New terminal").click()
        terminal = page.get_by_role("group", name="Terminal 1")
        await expect(terminal).to_have_attribute("data-state", "open")
        await terminal.locator("textarea").focus()
        await page.keyboard.type("X=kept\n")
        # The file that is shown first, once the files are known, is nothing that somebody asked for.
        chosen.set()
        await expect(page.locator(".tab-row [role=tab]")).to_have_count(1)
        await expect(terminal).to_be_visible()
        for other in (1, 3, 0):
            await parts.nth(other).click()
            await expect(terminal).to_be_hidden()
        await parts.nth(2).click()
        await expect(terminal).to_be_visible()
        await terminal.locator("textarea").focus()
        await page.keyboard.type("echo it is $X\n")
        await expect(terminal.locator(".xterm-rows")).to_contain_text("it is kept")
        await expect(terminal.locator(".xterm-rows")).to_contain_text("X=kept")
