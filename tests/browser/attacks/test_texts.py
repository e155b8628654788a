"""What other people wrote is shown as text wherever the page shows it: never markup, never orders."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.browser.attacks.scene import ESCAPES, FILE, MARKUP, Scene
from tests.browser.support import Window, signed_in
from tests.support.user import ok


@pytest_asyncio.fixture
async def page(scene: Scene) -> AsyncIterator[Page]:
    """The victim's. It fails too when a script was only stopped by the page's policy."""
    state = await signed_in(scene.victim.user)
    async with Window.opened(scene.browser, scene.settings, state) as page:
        yield page


async def as_text(shown: Locator) -> None:
    """The place shows the markup as such, and nothing on its page was made of it."""
    await expect(shown.first).to_contain_text(MARKUP)
    page = shown.page
    assert await page.locator("img[src='x']").count() == 0
    assert await page.evaluate("window.__hit") is None
    assert "owned" not in await page.title()


async def test_on_the_pages_of_an_app(scene: Scene, page: Page) -> None:
    app, api = scene.victim.app, scene.victim.user.api
    await page.goto("/apps")
    await as_text(page.get_by_role("link", name=MARKUP))
    await page.goto(f"/app/{app.id}/")
    await as_text(page.get_by_role("heading", name=MARKUP))
    history = page.get_by_role("listitem").get_by_role("button")
    await as_text(history)
    await history.first.click()
    # Only what is in sight of a log is on the page.
    await page.get_by_role("textbox", name="Search").fill("onerror")
    await as_text(page.get_by_role("log", name="Build and start log"))
    await page.goto(f"/app/{app.id}/logs")
    log = page.get_by_role("log")
    await as_text(log)
    await expect(log).to_contain_text("red")
    assert "\x1b" not in await log.inner_text()

    document = {MARKUP: f"{MARKUP}{ESCAPES}"}
    path = f"/api/apps/{app.id}/data/documents"
    ok(await api.post(path, params={"collection": "notes"}, json={"document": document}), 201)
    await page.goto(f"/app/{app.id}/data")
    await (
        page.get_by_role("button", name="notes").or_(page.get_by_role("link", name="notes")).click()
    )
    await as_text(page.locator("pre"))
    await page.get_by_role("button", name="Edit").click()


async def test_a_variable_that_cannot_be_one_is_refused_beside_its_field(
    scene: Scene, page: Page
) -> None:
    app, api = scene.victim.app, scene.victim.user.api
    hostile = {"variables": [{"key": MARKUP, "value": MARKUP}]}
    refused = await api.put(f"/api/apps/{app.id}/env", json=hostile)
    assert refused.status_code == 422
    await page.goto(f"/app/{app.id}/environment")
    await page.get_by_role("button", name="Add").click()
    await page.get_by_label("Name of the variable").fill(MARKUP)
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await page.locator("img[src='x']").count() == 0


async def test_in_the_studio(scene: Scene, page: Page) -> None:
    await page.goto(f"/studio/{scene.victim.app.id}")
    tree = page.get_by_role("tree", name="Files")
    await as_text(tree.get_by_role("treeitem").filter(has_text=FILE))
    await tree.get_by_text(FILE).click()
    await as_text(page.get_by_role("tab", name=FILE))
    await expect(page.locator(".view-lines")).to_contain_text("onerror")
    await page.keyboard.press("Control+Shift+U")
    output = page.get_by_role("log")
    await as_text(output)
    await page.keyboard.press("Control+Shift+G")
    await as_text(page.get_by_role("list", name="History"))
    await page.keyboard.press("Control+P")
    palette = page.get_by_role("dialog", name="Go to file")
    await expect(palette.get_by_role("combobox")).to_be_focused()
    await page.keyboard.type("onerror")
    await as_text(page.get_by_role("option"))
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+Shift+Backquote")
    terminal = page.get_by_role("group", name="Terminal 1")
    await expect(terminal).to_have_attribute("data-state", "open")
    await page.keyboard.type("cat hostile.txt ./\\<*\n")
    await as_text(terminal.locator(".xterm-rows"))
