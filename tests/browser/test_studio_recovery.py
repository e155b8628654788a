"""The API is killed under an open studio page: the page goes on by itself."""

from __future__ import annotations

import re

from playwright.async_api import Browser, expect

from tests.browser.studio import Studio
from tests.browser.support import Window, signed_in
from tests.support.apps import slow_build
from tests.support.platform import Platform
from tests.support.user import App, User
from tests.support.workspace import OpenApp

STEPS = 10
BACK_MS = 60_000


async def test_streams_shells_and_texts_outlive_the_api(
    browser: Browser, user: User, platform: Platform
) -> None:
    app = await user.app(slow_build(STEPS) | {"notes.txt": "saved\n"})
    state = await signed_in(user)
    async with Window.opened(browser, user.settings, state, expected=("WebSocket",)) as page:
        studio = await Studio.opened(page, app.id)
        await go_through(studio, app, platform)


async def go_through(studio: Studio, app: App, platform: Platform) -> None:
    page, files = studio.page, OpenApp(app.user, app.id)
    await studio.command("New terminal")
    await studio.in_terminal("kept=here; echo $((40 + 2))", "42")
    await studio.command("Switch auto-save off")
    await studio.open("notes.txt")
    await studio.write("typed and not saved")

    await app.deploy()
    await studio.command("Deploy")
    stages = studio.drawer.get_by_role("list", name="Stages")
    log = studio.drawer.get_by_role("log", name="Build and start log")
    await expect(log).to_contain_text("building 2 of")
    platform.kill("api")
    await expect(log).to_contain_text(f"building {STEPS - 1} of", timeout=BACK_MS)
    live = studio.drawer.get_by_text("Live at", exact=True)
    await expect(live).to_be_visible(timeout=BACK_MS)
    await expect(stages.get_by_role("img", name="Succeeded")).to_have_count(
        await stages.get_by_role("listitem").count()
    )
    # Each line once: none is missing and none came twice.
    await studio.drawer.get_by_label("Search").fill(f"of {STEPS}")
    counted = studio.drawer.get_by_text(re.compile(r"^\d+/\d+$"))
    whole = await app.log((await app.live())["id"])
    wanted = sum(f"of {STEPS}" in line for line in whole.splitlines())
    assert wanted >= STEPS
    await expect(counted).to_have_text(f"1/{wanted}")

    await page.keyboard.press("Escape")
    await expect(studio.drawer).to_have_count(0)
    await expect(studio.tabs.get_by_text("unsaved")).to_be_attached()
    await expect(studio.text).to_have_text("typed and not saved")
    await studio.save()
    assert await files.text("notes.txt") == "typed and not saved"
    # The same shell, and what others change is seen again.
    await page.keyboard.press("Control+Backquote")
    await studio.in_terminal("echo still $kept; touch made-later.txt", "still here")
    await expect(studio.tree.get_by_role("treeitem", name="made-later.txt")).to_be_visible()

    # What is typed while it is away is saved when it is back.
    await studio.command("Switch auto-save on")
    platform.kill("api")
    await studio.write("typed while it was away")
    await expect(studio.tabs.get_by_text("unsaved")).to_have_count(0, timeout=BACK_MS)
    assert await files.text("notes.txt") == "typed while it was away"
    await expect(studio.alerts).to_have_count(0)

    # Whoever loads the page just then is not taken for somebody who is not signed in.
    platform.kill("api")
    await page.reload()
    await studio.is_there()
    await expect(studio.text).to_have_text("typed while it was away")
