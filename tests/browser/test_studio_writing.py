"""Nothing that was typed is lost: two tabs, a closed tab, a session that ended; whatever it is called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser.studio import Studio, injected
from tests.browser.support import Window, signed_in
from tests.support.platform import Platform
from tests.support.user import PASSWORD, App, User, ok
from tests.support.workspace import OpenApp

HOSTILE = "<img src=x onerror=window.hacked=1>"


@pytest_asyncio.fixture(scope="module")
async def app(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    """One app of somebody's, whose workspace is open for all of these."""
    async with User.registered(platform.settings, tmp_path_factory.mktemp("writer")) as user:
        app = await user.app(
            {"README.md": "# Words\n", "poem.txt": "first\n", "plan.txt": "plan\n"}
        )
        ok(await user.api.post("/api/workspace/open", json={"app_id": app.id}))
        yield app


@pytest_asyncio.fixture
async def window(browser: Browser, app: App) -> AsyncIterator[BrowserContext]:
    async with Window.opened(browser, app.user.settings, await signed_in(app.user)) as page:
        yield page.context


@pytest.fixture
def files(app: App) -> OpenApp:
    return OpenApp(app.user, app.id)


async def test_two_tabs_write_one_file(window: BrowserContext, app: App, files: OpenApp) -> None:
    one = await Studio.opened(window.pages[0], app.id)
    await one.command("Switch auto-save off")
    other = await Studio.in_new_tab(window, app.id)
    for studio in (one, other):
        await studio.open("poem.txt")

    # Both versions side by side; what stands on the right in the end is the file.
    await one.write("from the one")
    await other.write("from the other")
    await one.save()
    dialog = other.page.get_by_role("dialog", name="Two versions of poem.txt")
    await expect(other.page.get_by_text("was changed elsewhere")).to_be_visible()
    await other.page.keyboard.press("Control+KeyS")
    left, right = dialog.locator(".original .view-lines"), dialog.locator(".modified .view-lines")
    await expect(left).to_contain_text("from the one")
    await expect(right).to_contain_text("from the other")
    assert await files.text("poem.txt") == "from the one"
    await right.click()
    await other.page.keyboard.press("Control+End")
    await other.page.keyboard.insert_text(", and more")
    await dialog.get_by_role("button", name="Keep my version").click()
    await expect(dialog).to_have_count(0)
    await expect(other.tabs.get_by_text("unsaved")).to_have_count(0)
    assert await files.text("poem.txt") == "from the other, and more"
    await expect(one.text).to_contain_text("from the other, and more")

    # Or the other one; then what was typed is one undo away.
    await other.write("typed in vain")
    await one.write("this stays")
    await one.save()
    await other.page.get_by_role("button", name="Compare").click()
    await expect(left).to_contain_text("this stays")
    await dialog.get_by_role("button", name="Decide later").click()
    await expect(other.text).to_contain_text("typed in vain")
    await other.page.get_by_role("button", name="Compare").click()
    await dialog.get_by_role("button", name="Keep the file’s version").click()
    await expect(other.text).to_contain_text("this stays")
    await expect(other.tabs.get_by_text("unsaved")).to_have_count(0)
    await expect(other.editor).to_be_focused()
    await other.page.keyboard.press("Control+KeyZ")
    await expect(other.text).to_contain_text("typed in vain")


async def test_what_was_not_saved_is_offered_again(
    window: BrowserContext, app: App, files: OpenApp
) -> None:
    studio = await Studio.opened(window.pages[0], app.id)
    await studio.command("Switch auto-save off")
    await studio.open("plan.txt")
    await studio.write("a plan that was never saved")
    spare = await window.new_page()
    async with studio.page.expect_event("close"):
        await studio.page.close(run_before_unload=True)

    studio = await Studio.opened(spare, app.id)
    offer = studio.alerts.filter(has_text="Unsaved text of")
    await expect(offer).to_be_visible()
    await expect(studio.text).to_have_text("plan")
    # Neither a save out of habit nor typing puts it out of reach.
    await spare.keyboard.press("Control+Digit1")
    await spare.keyboard.press("Control+KeyS")
    await spare.keyboard.type("x")
    await expect(offer).to_be_visible()
    await expect(studio.text).to_have_text("plan")
    await offer.get_by_role("button", name="Bring it back").click()
    await expect(studio.text).to_have_text("a plan that was never saved")
    await studio.save()
    assert await files.text("plan.txt") == "a plan that was never saved"
    await spare.reload()
    await expect(studio.text).to_have_text("a plan that was never saved")
    await expect(offer).to_have_count(0)


async def test_a_session_that_ended_takes_nothing_with_it(
    window: BrowserContext, app: App, files: OpenApp
) -> None:
    studio = await Studio.opened(window.pages[0], app.id)
    await studio.open("plan.txt")
    api = app.user.api
    email = ok(await api.get("/api/me"))["email"]
    again = ok(await api.post("/api/auth/login", json={"email": email, "password": PASSWORD}))
    ok(await api.post("/api/auth/logout"), 204)
    api.cookies.clear()
    api.headers["Authorization"] = f"Bearer {again['token']}"

    await studio.write("written by nobody")
    dialog = studio.page.get_by_role("dialog").filter(has_text="Your session has ended")
    await expect(dialog).to_be_visible()
    assert await files.text("plan.txt") != "written by nobody"
    await dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    await studio.page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    # It is saved by itself, and the page goes on.
    await expect(studio.tabs.get_by_text("unsaved")).to_have_count(0)
    await expect(studio.text).to_have_text("written by nobody")
    assert await files.text("plan.txt") == "written by nobody"
    await expect(studio.alerts).to_have_count(0)


async def test_names_and_words_of_any_kind(
    window: BrowserContext, app: App, files: OpenApp, tmp_path: Path
) -> None:
    page: Page = window.pages[0]
    ok(await files.put(f"{HOSTILE}.txt", HOSTILE))
    await files.shell("touch $'\\e[31mred\\e]0;title\\a.txt'")
    studio = await Studio.opened(page, app.id)
    await studio.files.get_by_role("button", name="New file").click()
    await page.get_by_role("textbox", name="New file").fill("说明 文档.md")
    await page.keyboard.press("Enter")
    await expect(studio.tab("说明 文档.md")).to_be_visible()
    await studio.write("# 你好，世界")
    await studio.save()
    await studio.tree.get_by_role("treeitem", name="说明 文档.md").click()
    await studio.tree.press("F2")
    await page.get_by_role("textbox", name="New name").fill("介绍.md")
    await page.keyboard.press("Enter")
    await expect(studio.tab("介绍.md")).to_be_visible()
    await expect(studio.text).to_have_text("# 你好，世界")
    assert await files.text("介绍.md") == "# 你好，世界"

    # What looks like markup or moves a terminal's cursor is text.
    await expect(studio.tree.get_by_role("treeitem", name=f"{HOSTILE}.txt")).to_be_visible()
    await expect(studio.tree.get_by_role("treeitem", name="red")).to_be_visible()
    await studio.open(f"{HOSTILE}.txt")
    await expect(studio.text).to_have_text(HOSTILE)
    await page.get_by_role("button", name="Changes:").click()
    await studio.changes.get_by_role("button", name="介绍.md", exact=False).first.click()
    await expect(studio.tabs.get_by_role("tab", selected=True)).to_contain_text("介绍.md")
    await studio.commit(f"添加中文说明 {HOSTILE} \x1b[31mred")
    log = studio.changes.get_by_role("list", name="History").get_by_role("listitem").first
    await expect(log).to_contain_text(f"添加中文说明 {HOSTILE}")
    assert ok(await files.get("git/log"))["commits"][0]["subject"].startswith("添加中文说明 <img")
    await app.git("pull", "-q", "origin", "main")
    assert (app.tree / "介绍.md").read_text() == "# 你好，世界"
    assert not await injected(page)
    assert await page.title() == "shop · Fun AI Studio"
