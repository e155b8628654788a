"""The file tree by mouse: a folder is made, filled by dragging and from a laptop, taken home, deleted."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.browser.studio import Studio
from tests.support.user import App, User, ok
from tests.support.workspace import OpenApp


@pytest_asyncio.fixture
async def app(user: User) -> App:
    return await user.app({"README.md": "# Mine\n", "notes.txt": "notes\n"})


async def listed(app: App) -> set[str]:
    found = ok(await OpenApp(app.user, app.id).get("files/tree"))
    return {entry["path"] for entry in found["entries"]}


async def chosen(page: Page, node: Locator, what: str) -> None:
    """From the menu of a file or folder."""
    await node.click(button="right")
    await page.get_by_role("menuitem", name=what).click()


async def test_a_file_is_dragged_into_a_new_folder_which_is_deleted(page: Page, app: App) -> None:
    studio = await Studio.opened(page, app.id)
    await page.get_by_role("button", name="New folder").click()
    await page.get_by_role("textbox", name="New folder").fill("drafts")
    await page.keyboard.press("Enter")
    folder = studio.tree.get_by_role("treeitem", name="drafts")
    await expect(folder).to_have_attribute("aria-expanded", "false")
    await studio.open("notes.txt")

    # What is open goes on under its new path: it is written to where it is now.
    notes = studio.tree.get_by_role("treeitem", name="notes.txt")
    await notes.drag_to(folder)
    await expect(folder).to_have_attribute("aria-expanded", "true")
    await expect(notes).to_have_attribute("aria-level", "2")
    assert await listed(app) == {"README.md", "drafts", "drafts/notes.txt"}
    await studio.write("written after the move")
    await studio.save()
    assert await OpenApp(app.user, app.id).text("drafts/notes.txt") == "written after the move"

    confirm = page.get_by_role("alertdialog", name="Delete drafts and all that is in it?")
    await chosen(page, folder, "Delete")
    await confirm.get_by_role("button", name="Cancel").click()
    await expect(confirm).to_have_count(0)
    await expect(notes).to_be_visible()
    await chosen(page, folder, "Delete")
    await confirm.get_by_role("button", name="Delete").click()
    await expect(folder).to_have_count(0)
    await expect(studio.tab("notes.txt")).to_have_count(0)
    assert await listed(app) == {"README.md"}


async def test_files_are_uploaded_and_downloaded(page: Page, app: App, tmp_path: Path) -> None:
    studio = await Studio.opened(page, app.id)
    # No text at all: nothing on the way may take it for one.
    pictured = bytes(range(256)) * 300
    (tmp_path / "picture.bin").write_bytes(pictured)
    (tmp_path / "价目.txt").write_text("茶 3\n")
    async with page.expect_file_chooser() as asked:
        await page.get_by_role("button", name="Upload files").click()
    await (await asked.value).set_files([tmp_path / "picture.bin", tmp_path / "价目.txt"])
    picture = studio.tree.get_by_role("treeitem", name="picture.bin")
    await expect(picture).to_be_visible()
    await expect(studio.tree.get_by_role("treeitem", name="价目.txt")).to_be_visible()
    assert await OpenApp(app.user, app.id).text("价目.txt") == "茶 3\n"

    async with page.expect_download() as one:
        await chosen(page, picture, "Download")
    file = await one.value
    assert file.suggested_filename == "picture.bin"
    assert Path(await file.path()).read_bytes() == pictured

    async with page.expect_download() as everything:
        await page.get_by_role("button", name="Download as a zip").click()
    held = zipfile.ZipFile(io.BytesIO(Path(await (await everything.value).path()).read_bytes()))
    assert held.read("picture.bin") == pictured
    assert held.read("价目.txt").decode() == "茶 3\n"
    assert {"README.md", "notes.txt"} <= set(held.namelist())


async def test_files_are_dropped_from_a_laptop(page: Page, app: App) -> None:
    studio = await Studio.opened(page, app.id)
    ok(await OpenApp(app.user, app.id).post("files/mkdir", path="drafts"), 204)
    folder = studio.tree.get_by_role("treeitem", name="drafts")
    await expect(folder).to_be_visible()
    held = await page.evaluate_handle(
        """() => {
          const held = new DataTransfer();
          held.items.add(new File(["from a laptop"], "dropped.txt"));
          return held;
        }"""
    )
    await folder.dispatch_event("drop", {"dataTransfer": held})
    await folder.click()
    await expect(studio.tree.get_by_role("treeitem", name="dropped.txt")).to_be_visible()
    assert await OpenApp(app.user, app.id).text("drafts/dropped.txt") == "from a laptop"


async def test_a_link_that_is_clicked_says_what_it_is(page: Page, app: App) -> None:
    studio = await Studio.opened(page, app.id)
    await OpenApp(app.user, app.id).shell("ln -s notes.txt short.txt")
    await studio.tree.get_by_role("treeitem", name="short.txt").click()
    await expect(studio.tab("short.txt")).to_have_attribute("aria-selected", "true")
    await expect(studio.alerts).to_contain_text("short.txt is a link. Open what it leads to.")
