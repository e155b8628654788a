"""By keyboard: a terminal whose programs fill it, and everything else without a single click."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect

from tests.browser.studio import Studio
from tests.support.user import User, ok
from tests.support.workspace import OpenApp


async def size(studio: Studio, name: str) -> tuple[int, int]:
    """Rows and columns, as a program in the terminal is told."""
    printed = re.compile(rf"{name}: (\d+) (\d+)")
    await studio.in_terminal(f"clear; echo {name}: $(stty size)", printed)
    found = printed.search(await studio.screen.inner_text())
    assert found
    return int(found[1]), int(found[2])


async def test_a_terminal_is_a_real_one_and_comes_back(page: Page, user: User) -> None:
    app = await user.app({"notes.txt": "the first line\n"})
    studio = await Studio.opened(page, app.id)
    await studio.command("New terminal")
    await studio.in_terminal("kept=again; echo $((40 + 2))", "42")
    before = await size(studio, "before")
    await studio.in_terminal("vim notes.txt", "the first line")
    await expect(studio.screen).to_contain_text("~")

    # The window grows, and the program fills what is there now.
    await page.set_viewport_size({"width": 1600, "height": 1100})
    await page.keyboard.type("oand a second one")
    await page.keyboard.press("Escape")
    await studio.in_terminal(":set columns? lines?", "columns=")
    await page.keyboard.press("Enter")
    await studio.in_terminal(":wq", "before: ")
    after = await size(studio, "after")
    assert after[0] > before[0]
    assert after[1] > before[1]
    assert await OpenApp(user, app.id).text("notes.txt") == "the first line\nand a second one\n"
    rows = await studio.screen.locator("> div").count()
    assert rows == after[0]

    # Another size by keyboard: the line between editor and terminal moves.
    between = page.get_by_role("separator", name="Size of the parts").and_(
        page.locator('[aria-orientation="horizontal"]')
    )
    share = await between.get_attribute("aria-valuenow")
    await between.press("ArrowUp")
    await expect(between).not_to_have_attribute("aria-valuenow", share or "")
    await page.keyboard.press("Control+Backquote")
    assert (await size(studio, "moved"))[0] > after[0]

    await studio.in_terminal("echo before the reload", "before the reload")
    await page.reload()
    await studio.is_there()
    await expect(studio.screen).to_contain_text("before the reload")
    await page.keyboard.press("Control+Backquote")
    await studio.in_terminal("echo and $kept", "and again")
    await page.keyboard.type("exit")
    await page.keyboard.press("Enter")
    await expect(studio.terminal).to_have_count(0)


async def test_a_file_is_written_committed_and_pushed_without_a_click(
    page: Page, user: User
) -> None:
    app = await user.app({"README.md": "# Mine\n"})
    studio = await Studio.opened(page, app.id)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await studio.command("New file")
    await expect(page.get_by_role("textbox", name="New file")).to_be_focused()
    await page.keyboard.type("menu.txt")
    await page.keyboard.press("Enter")
    await expect(studio.tab("menu.txt")).to_have_attribute("aria-selected", "true")
    await expect(studio.editor).to_be_focused()
    await page.keyboard.type("soup")
    await studio.save()

    # In and out of the tree, and the tabs: a tab is closed and its file opened again.
    await page.keyboard.press("Control+Shift+KeyE")
    await expect(studio.tree).to_be_focused()
    await page.keyboard.press("Home")
    await page.keyboard.press("Enter")
    await expect(studio.tab("menu.txt")).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("Alt+KeyW")
    await expect(studio.tab("menu.txt")).to_have_count(0)
    await studio.open("menu.txt")

    await page.keyboard.press("Control+Shift+KeyG")
    await expect(studio.changes.get_by_label("What did you change?")).to_be_focused()
    await page.keyboard.type("Soup of the day")
    # As soon as the page knows what there is to commit.
    button = studio.changes.get_by_role("button", name="Commit and push")
    await expect(button).to_be_enabled()
    await page.keyboard.press("Tab")
    await expect(button).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Pushed", exact=True)).to_be_visible()
    git = OpenApp(user, app.id)
    status = ok(await git.get("git/status"))
    assert (status["files"], status["ahead"]) == ([], 0)
    assert ok(await git.get("git/log"))["commits"][0]["subject"] == "Soup of the day"
    await app.git("pull", "-q", "origin", "main")
    assert (app.tree / "menu.txt").read_text() == "soup"

    # What was opened over the page gives the keys back to where they were.
    await page.keyboard.press("Control+Digit1")
    await studio.command("Deploy")
    await expect(studio.drawer).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(studio.drawer).to_have_count(0)
    await expect(studio.editor).to_be_focused()
