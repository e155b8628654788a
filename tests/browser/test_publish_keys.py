"""By keyboard alone: an app is run and looked at, deployed twice, and rolled back."""

from __future__ import annotations

import re

from playwright.async_api import Locator, Page, expect

from tests.browser.studio import OPENS_MS, Studio
from tests.support.user import User
from tests.support.workspace import run_is

LIVE_MS = 60_000
FAR = 60
"""More presses than lead to anything on the page."""


async def reached(page: Page, target: Locator, key: str = "Tab") -> None:
    """Tab, as often as it takes, until this has the keys."""
    await expect(target).to_be_visible()
    for _ in range(FAR):
        if await target.evaluate("one => one === document.activeElement"):
            return
        await page.keyboard.press(key)
    await expect(target).to_be_focused()


async def pressed(page: Page, target: Locator) -> None:
    await expect(target).to_be_enabled()
    await reached(page, target)
    await page.keyboard.press("Enter")


async def test_run_and_look_at_it(page: Page, user: User) -> None:
    app = await user.app(
        {"index.html": "<h1>Home</h1>", "menu.html": '<h1>Menu</h1><input aria-label="Note">'}
    )
    studio = await Studio.opened(page, app.id)
    home = studio.preview.get_by_role("heading", name="Home")
    await expect(home).to_be_visible(timeout=OPENS_MS)
    runs = page.get_by_role("group", name="What runs").get_by_role("status")
    await studio.command("Stop")
    await expect(runs).to_have_text("Stopped")
    await run_is(user, "STOPPED")
    await studio.command("Run the dev server")
    await expect(home).to_be_visible(timeout=OPENS_MS)

    # Hidden, and shown again with the keys in its path; from there Tab leads into the app.
    await studio.command("Show or hide the preview")
    await expect(page.get_by_role("region", name="Preview")).to_have_count(0)
    await studio.command("Go to the preview")
    address = page.get_by_role("textbox", name="Path of the preview")
    await expect(address).to_be_focused()
    await page.keyboard.press("Control+KeyA")
    await page.keyboard.type("/menu.html")
    await page.keyboard.press("Enter")
    note = studio.preview.get_by_role("textbox", name="Note")
    await expect(note).to_be_visible(timeout=OPENS_MS)
    await expect(address).to_be_focused()
    await reached(page, note)
    await page.keyboard.type("typed into the app")
    await expect(note).to_have_value("typed into the app")
    # And out of it again.
    await reached(page, address, "Shift+Tab")
    await studio.command("Reload the preview")
    await expect(note).to_have_value("")


async def test_deploy_and_roll_back(page: Page, user: User) -> None:
    app = await user.app({"index.html": "<h1>One</h1>"})
    studio = await Studio.opened(page, app.id)
    drawer = studio.drawer
    live = drawer.get_by_text("Live at", exact=True)
    history = drawer.get_by_role("listitem").filter(has_text=re.compile(r"^#\d+"))
    deploy = drawer.get_by_role("button", name="Deploy", exact=True)
    await studio.command("Deploy")
    await pressed(page, deploy)
    await expect(live).to_be_visible(timeout=LIVE_MS)
    await page.keyboard.press("Escape")
    await expect(drawer).to_have_count(0)

    await studio.open("index.html")
    await expect(studio.editor).to_be_focused()
    await page.keyboard.press("Control+KeyA")
    await page.keyboard.type("<h1>Two")
    await expect(studio.text).to_contain_text("<h1>Two")
    await studio.command("Deploy")
    await pressed(page, deploy)
    # What is deployed is what was committed: it asks, and the answer is a key away.
    commit = page.get_by_role("alertdialog").get_by_role("button", name="Commit and deploy")
    await pressed(page, commit)
    await expect(history).to_have_count(2)
    await expect(history.first).to_contain_text("serves now", timeout=LIVE_MS)
    assert "Two" in (await app.get()).text

    await pressed(page, history.nth(1).get_by_role("button"))
    await pressed(page, drawer.get_by_role("button", name="Roll back to this"))
    await expect(history).to_have_count(3)
    await expect(history.first).to_contain_text("Rollback")
    await expect(history.first).to_contain_text("serves now", timeout=LIVE_MS)
    await expect(live).to_be_visible()
    assert "One" in (await app.get()).text
