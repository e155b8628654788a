"""The bar of the preview, what runs in it, and how the page is laid out around it."""

from __future__ import annotations

import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.studio import OPENS_MS, Studio
from tests.support.user import App, User
from tests.support.workspace import run_is

INDEX = '<h1>Home</h1><input aria-label="Note">'
MENU = '<h1>Menu</h1><input aria-label="Note">'


@pytest_asyncio.fixture
async def app(user: User) -> App:
    return await user.app({"index.html": INDEX, "menu.html": MENU})


async def test_the_bar_of_the_preview(page: Page, app: App) -> None:
    # Wide enough for a tablet beside the rest.
    await page.set_viewport_size({"width": 2400, "height": 900})
    studio = await Studio.opened(page, app.id)
    shown = studio.preview
    await expect(shown.get_by_role("heading", name="Home")).to_be_visible(timeout=OPENS_MS)
    address = page.get_by_role("textbox", name="Path of the preview")
    await address.fill("menu.html")
    await address.press("Enter")
    await expect(shown.get_by_role("heading", name="Menu")).to_be_visible()
    await expect(address).to_have_value("/menu.html")

    # A reload forgets what was typed into the app, and stays at its path.
    note = shown.get_by_role("textbox", name="Note")
    await note.fill("typed before")
    bar = page.get_by_role("region", name="Preview")
    await bar.get_by_role("button", name="Reload").click()
    await expect(note).to_have_value("")
    await expect(shown.get_by_role("heading", name="Menu")).to_be_visible()

    # Another width is none: the app goes on.
    await note.fill("typed before")
    frame = page.locator("iframe[title=Preview]")
    for device, wide in (("Tablet (768)", "768px"), ("Phone (390)", "390px")):
        choice = bar.get_by_role("radio", name=device)
        await choice.click()
        await expect(choice).to_be_checked()
        await expect(frame).to_have_css("width", wide)
    await bar.get_by_role("radio", name="Full width").click()
    await expect(frame).not_to_have_css("width", "390px")
    await expect(note).to_have_value("typed before")


async def test_a_new_tab_has_a_ticket_of_its_own(page: Page, app: App) -> None:
    studio = await Studio.opened(page, app.id)
    await expect(studio.preview.get_by_role("heading", name="Home")).to_be_visible(timeout=OPENS_MS)
    await page.get_by_role("textbox", name="Path of the preview").fill("/menu.html")
    await page.keyboard.press("Enter")
    await expect(studio.preview.get_by_role("heading", name="Menu")).to_be_visible()

    entered: list[str] = []
    page.context.on(
        "request", lambda one: entered.append(one.url) if "ticket=" in one.url else None
    )
    for _ in range(2):
        async with page.context.expect_page() as opened:
            await page.get_by_role("button", name="Open in a new tab").click()
        tab = await opened.value
        await expect(tab.get_by_role("heading", name="Menu")).to_be_visible()
        # No ticket stays where it is seen or copied, and the app cannot reach back to the studio.
        await expect(tab).to_have_url(f"{app.user.settings.preview_url(app.user.id)}menu.html")
        assert await tab.evaluate("opener") is None
    assert len(set(entered)) == len(entered) == 2


async def test_it_is_stopped_and_run_again(page: Page, app: App) -> None:
    studio = await Studio.opened(page, app.id)
    home = studio.preview.get_by_role("heading", name="Home")
    await expect(home).to_be_visible(timeout=OPENS_MS)
    runs = page.get_by_role("group", name="What runs")
    await expect(runs.get_by_role("status")).to_have_text("Running: dev server")
    await runs.get_by_role("button", name="Stop", exact=True).click()
    bar = page.get_by_role("region", name="Preview")
    await expect(bar.get_by_role("heading", name="Nothing runs here")).to_be_visible()
    await expect(runs.get_by_role("status")).to_have_text("Stopped")
    await expect(bar.get_by_role("button", name="Reload")).to_be_disabled()
    await expect(bar.get_by_role("button", name="Open in a new tab")).to_be_disabled()
    await run_is(app.user, "STOPPED")

    # What somebody stopped stays stopped, until they run it.
    await page.reload()
    await studio.is_there()
    await expect(bar.get_by_role("heading", name="Nothing runs here")).to_be_visible()
    await runs.get_by_role("button", name="Run", exact=True).click()
    await expect(home).to_be_visible(timeout=OPENS_MS)
    await run_is(app.user, "RUNNING")


async def test_the_layout_is_remembered(page: Page, app: App) -> None:
    studio = await Studio.opened(page, app.id)
    files = page.get_by_role("region", name="Files")
    splitter = page.get_by_role("separator", name="Size of the parts").first
    before, at = await files.bounding_box(), await splitter.bounding_box()
    assert before
    assert at
    await page.mouse.move(at["x"] + at["width"] / 2, at["y"] + 300)
    await page.mouse.down()
    await page.mouse.move(at["x"] + 100, at["y"] + 300, steps=5)
    await page.mouse.up()
    after = await files.bounding_box()
    assert after
    assert after["width"] > before["width"] + 80
    preview = page.get_by_role("region", name="Preview")
    button = page.get_by_role("button", name="Preview", exact=True)
    await button.click()
    await expect(preview).to_have_count(0)

    await page.reload()
    await studio.is_there()
    await expect(button).to_have_attribute("aria-pressed", "false")
    await expect(preview).to_have_count(0)
    again = await files.bounding_box()
    assert again
    assert abs(again["width"] - after["width"]) < 2
    await button.click()
    await expect(preview).to_be_visible()
