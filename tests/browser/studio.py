"""The studio page as a person sees it: by its labels and its text."""

from __future__ import annotations

import re

from playwright.async_api import BrowserContext, FrameLocator, Locator, Page, expect

OPENS_MS = 60_000
"""A first opening makes a disk, a container and a clone."""


class Studio:
    """The page ``/studio/{app_id}`` in one tab of a browser, in English."""

    def __init__(self, page: Page, app_id: int) -> None:
        self.page = page
        self.app_id = app_id
        self.tree = page.get_by_role("tree", name="Files")
        self.tabs = page.get_by_role("tablist", name="Open files")
        self.text = page.locator(".pane-editor .view-lines").first
        self.editor = page.get_by_role("textbox", name="Editor")
        self.changes = page.get_by_role("region", name="Changes")
        self.terminal = page.get_by_role("group", name=re.compile(r"^Terminal \d"))
        # Monaco has some of its own at the end of the document.
        self.alerts = page.get_by_role("main").get_by_role("alert")
        self.drawer = page.get_by_role("dialog", name="Deploy")
        # What is said in a corner is outside of everything else.
        self.corner = page.locator(".p-toast").get_by_role("alert")
        self.files = page.get_by_role("region", name="Files")

    @classmethod
    async def opened(cls, page: Page, app_id: int) -> Studio:
        """Once the files are there and what is open can be written to."""
        studio = cls(page, app_id)
        await page.goto(f"/studio/{app_id}")
        await studio.is_there()
        return studio

    @classmethod
    async def in_new_tab(cls, context: BrowserContext, app_id: int) -> Studio:
        return await cls.opened(await context.new_page(), app_id)

    async def is_there(self) -> None:
        await expect(self.tree.get_by_role("treeitem").first).to_be_visible(timeout=OPENS_MS)

    @property
    def preview(self) -> FrameLocator:
        return self.page.frame_locator("iframe[title=Preview]")

    def tab(self, name: str) -> Locator:
        return self.tabs.get_by_role("tab", name=name)

    async def command(self, words: str) -> None:
        """Does what the palette calls so."""
        await self._chosen("F1", "Commands", words)

    async def open(self, name: str) -> None:
        """Opens a file by its name, and waits for its text."""
        # In a terminal the keys are the shell's.
        await self.page.keyboard.press("Control+Digit1")
        await self._chosen("Control+KeyP", "Go to file", name)
        await expect(self.tab(name)).to_have_attribute("aria-selected", "true")
        await expect(self.text).to_be_visible()

    async def _chosen(self, keys: str, palette: str, words: str) -> None:
        box = self.page.get_by_role("dialog", name=palette)
        await self.page.keyboard.press(keys)
        await expect(box.get_by_role("combobox")).to_be_focused()
        await self.page.keyboard.insert_text(words)
        await expect(box.get_by_role("option").first).to_contain_text(words)
        await self.page.keyboard.press("Enter")
        await expect(box).to_have_count(0)

    async def write(self, text: str) -> None:
        """Replaces the text of the open file, as somebody who clicks into it and pastes."""
        await self.text.click()
        await self.page.keyboard.press("Control+KeyA")
        await self.page.keyboard.insert_text(text)
        await expect(self.text).to_contain_text(text.strip().splitlines()[-1].strip())

    async def save(self) -> None:
        await self.page.keyboard.press("Control+KeyS")
        await expect(self.tabs.get_by_text("unsaved")).to_have_count(0)

    async def commit(self, message: str) -> None:
        """Commits and pushes everything, by mouse."""
        if not await self.changes.is_visible():
            await self.page.get_by_role("button", name=re.compile(r"^Changes: \d")).click()
        await self.changes.get_by_label("What did you change?").fill(message)
        await self.changes.get_by_role("button", name="Commit and push").click()
        await expect(self.page.get_by_text("Pushed", exact=True)).to_be_visible()
        await expect(self.changes.get_by_text("Nothing has changed")).to_be_visible()

    async def in_terminal(self, command: str, shows: str | re.Pattern[str]) -> None:
        """Types a command into the terminal, once it has the keys, until its screen shows something."""
        await expect(self.terminal.get_by_role("textbox")).to_be_focused()
        await self.page.keyboard.type(command)
        await self.page.keyboard.press("Enter")
        await expect(self.screen).to_contain_text(shows)

    @property
    def screen(self) -> Locator:
        return self.terminal.locator(".xterm-rows")


async def injected(page: Page) -> bool:
    """Whether a name or a text of somebody's became an element or ran."""
    return bool(
        await page.evaluate("window.hacked !== undefined || !!document.querySelector('img[src=x]')")
    )
