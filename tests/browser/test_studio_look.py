"""The studio page with each of its panels open: nothing serious for axe, nothing cut or outside.

With ``STUDIO_SCREENSHOTS=folder`` the pictures of the README's tour are taken on the way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.studio import OPENS_MS
from tests.browser.support import LOOKS, Theme, Window, crowded, look, signed_in
from tests.support.apps import failing_build
from tests.support.platform import Platform
from tests.support.user import App, User, ok
from tests.support.workspace import OpenApp

NARROW = 860
KEYS = {
    "changes": "Control+Shift+KeyG",
    "search": "Control+Shift+KeyF",
    "files": "Control+Shift+KeyE",
}
PARTS = {"files": 0, "editor": 1, "terminal": 2, "preview": 3}


@pytest_asyncio.fixture(scope="module")
async def app(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    """An app that is live, whose newest deployment failed, and in which something has changed."""
    async with User.registered(platform.settings, tmp_path_factory.mktemp("looked-at")) as user:
        given = {"name": "Shop 商店", "template": "static"}
        app = App(user, ok(await user.api.post("/api/apps", json=given), 201))
        await app.deployed()
        await app.push(
            {"Dockerfile": failing_build()["Dockerfile"]}, message="Build it ourselves 自己构建"
        )
        await app.deployed()
        ok(await user.api.post("/api/workspace/open", json={"app_id": app.id}))
        opened = OpenApp(user, app.id)
        ok(await opened.put("说明.md", "# 你好\n"))
        ok(await opened.put("style.css", "body { font-family: sans-serif; }\n"))
        yield app


@pytest.mark.parametrize(
    ("theme", "locale", "width"),
    [(theme, locale, width if width > NARROW else 420) for theme, locale, width in LOOKS],
)
async def test_each_panel(
    browser: Browser,
    app: App,
    axe: Path,
    pictures: Path | None,
    theme: Theme,
    locale: str,
    width: int,
) -> None:
    found: list[str] = []
    mark = f"{locale}-{theme}"
    async with Window.opened(
        browser,
        app.user.settings,
        await signed_in(app.user),
        color_scheme=theme,
        locale=locale,
        viewport={"width": width, "height": 800},
        bypass_csp=True,
    ) as page:

        async def seen(name: str) -> None:
            found.extend(await look(page, axe, pictures, f"studio-{name}-{mark}"))
            found.extend(f"{name}: {one}" for one in await crowded(page))

        async def part(name: str) -> None:
            if width <= NARROW:
                await page.locator(".narrow-bar button").nth(PARTS[name]).click()

        await page.add_init_script("top === self && localStorage.setItem('studio.auto-save', 'no')")
        await page.goto(f"/studio/{app.id}")
        text = page.locator(".pane-editor .view-line").first
        await expect(text).to_be_visible(timeout=OPENS_MS)
        await part("preview")
        shown = page.frame_locator(".preview iframe").get_by_role("heading", name="It works")
        await expect(shown).to_be_visible(timeout=OPENS_MS)
        await seen("preview")
        await page.locator(".preview [aria-haspopup=dialog]").click()
        await page.get_by_role("dialog").locator("button[type=submit]").click()
        await expect(page.get_by_role("dialog").get_by_role("listitem").first).to_be_visible()
        await seen("share")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await part("files")
        await seen("files")
        await page.keyboard.press(KEYS["changes"])
        await expect(page.locator(".pane-side .change").first).to_be_visible()
        await seen("changes")
        await page.keyboard.press(KEYS["search"])
        await page.keyboard.type("clock")
        await expect(page.locator(".pane-side .line").first).to_be_visible()
        await seen("search")
        await page.keyboard.press("Control+Shift+Backquote")
        await expect(page.locator(".xterm-rows")).to_contain_text("$")
        await seen("terminal")
        await page.keyboard.press("F1")
        await seen("palette")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await conflict(page, app)
        await seen("conflict")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await seen("editor")
        await page.locator("#bar-slot .p-button").last.click()
        drawer = page.get_by_role("dialog")
        await expect(drawer.get_by_role("alert")).to_be_visible()
        await seen("deployment-failed")
        await drawer.locator(".history li").nth(1).get_by_role("button").click()
        await expect(drawer.get_by_role("link", name=app.url).first).to_be_visible()
        await expect(drawer.get_by_role("log")).to_contain_text("#")
        await seen("deployment")
    assert found == []


async def conflict(page: Page, app: App) -> None:
    """Somebody else saves what is being written here."""
    await page.keyboard.press("Control+Digit1")
    await page.keyboard.press("Control+KeyP")
    await expect(page.get_by_role("combobox")).to_be_focused()
    await page.keyboard.type("clock.js")
    await page.keyboard.press("Enter")
    await expect(page.locator(".pane-editor .view-lines").first).to_contain_text("clock")
    await page.keyboard.press("Control+Digit1")
    await page.keyboard.type("// mine")
    files = OpenApp(app.user, app.id)
    ok(await files.put("clock.js", f"// theirs, {await files.text('clock.js')}"))
    await expect(page.get_by_role("main").get_by_role("alert")).to_be_visible()
    await page.keyboard.press("Control+KeyS")
    await expect(page.locator(".p-dialog .modified .view-lines").last).to_contain_text("mine")
