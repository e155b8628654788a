"""What is dropped on the file tree is sent in turn; what it would replace, and what is not taken, is said."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Request, Route, expect

from tests.browser.studio import Studio
from tests.browser.support import Window, refusing, signed_in
from tests.support.platform import Platform
from tests.support.user import App, User, ok
from tests.support.workspace import OpenApp

UPLOADS = re.compile("/files/upload")
#: What a browser makes of what is dragged from a desktop: texts are files, objects are folders, and
#: what is null cannot be read.
DROP = """(node, dropped) => {
  const file = (name, text) => (done, fail) =>
    text === null ? fail(new DOMException("gone", "NotFoundError")) : done(new File([text], name));
  const reader = (held) => () => {
    const batches = [Object.entries(held).map(entry), []];
    return {readEntries: (done) => done(batches.shift())};
  };
  const entry = ([name, held]) => typeof held === "object" && held !== null
    ? {name, isFile: false, isDirectory: true, createReader: reader(held)}
    : {name, isFile: true, isDirectory: false, file: file(name, held)};
  const items = Object.entries(dropped).map((one) => ({webkitGetAsEntry: () => entry(one)}));
  const event = new Event("drop", {bubbles: true, cancelable: true});
  event.dataTransfer = {types: ["Files"], items, getData: () => ""};
  node.dispatchEvent(event);
}"""


@pytest_asyncio.fixture(scope="module")
async def app(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    async with User.registered(platform.settings, tmp_path_factory.mktemp("uploads")) as user:
        yield await user.app({"notes.txt": "notes\n"})


@pytest_asyncio.fixture(scope="module")
async def opened(browser: Browser, app: App) -> AsyncIterator[Studio]:
    """One page for all of them: a workspace takes its time to open."""
    state = await signed_in(app.user)
    async with Window.opened(browser, app.user.settings, state) as page:
        yield await Studio.opened(page, app.id)


@pytest_asyncio.fixture
async def studio(opened: Studio) -> AsyncIterator[Studio]:
    yield opened
    await opened.page.unroute_all()


async def drop(studio: Studio, dropped: dict[str, Any]) -> None:
    await studio.tree.evaluate(DROP, dropped)


async def arrived(studio: Studio, *names: str) -> None:
    for name in names:
        await expect(studio.tree.get_by_role("treeitem", name=name)).to_be_visible()


async def test_what_is_there_is_replaced_when_somebody_says_so(studio: Studio, app: App) -> None:
    files = OpenApp(app.user, app.id)
    question = studio.page.get_by_role("alertdialog", name="1 file is there already")
    await drop(studio, {"notes.txt": "from a laptop", "new.txt": "new"})
    await expect(question).to_contain_text("notes.txt")
    await question.get_by_role("button", name="Keep what is there").click()
    await arrived(studio, "new.txt")
    assert await files.text("notes.txt") == "notes\n"

    await drop(studio, {"notes.txt": "from a laptop"})
    async with studio.page.expect_response(UPLOADS) as sent:
        await question.get_by_role("button", name="Replace").click()
    assert (await sent.value).ok
    assert await files.text("notes.txt") == "from a laptop"


async def test_two_drops_at_once_are_sent_one_after_the_other(studio: Studio) -> None:
    going, most = 0, 0

    async def slowly(route: Route) -> None:
        nonlocal going, most
        going += 1
        most = max(most, going)
        await asyncio.sleep(0.1)
        going -= 1
        await route.continue_()

    await studio.page.route(UPLOADS, slowly)
    await drop(studio, {"a1.txt": "a", "a2.txt": "a", "a3.txt": "a"})
    await drop(studio, {"b1.txt": "b"})
    await arrived(studio, "a1.txt", "a2.txt", "a3.txt", "b1.txt")
    assert most == 1


async def test_a_folder_comes_without_what_is_made_anew(studio: Studio, app: App) -> None:
    sent: list[str] = []

    def note(request: Request) -> None:
        if UPLOADS.search(request.url):
            sent.append(request.url)

    studio.page.on("request", note)
    inside = {"main.py": "x", ".git": {"HEAD": "x"}, "pages": {"node_modules": {"a.js": "x"}}}
    await drop(studio, {"shop": inside, "one.txt": "x"})
    left = studio.page.get_by_text("Not uploaded: shop/.git, shop/pages/node_modules")
    await expect(left).to_be_visible()
    await arrived(studio, "one.txt")
    listed = ok(await OpenApp(app.user, app.id).get("files/tree", path="shop"))
    assert [entry["path"] for entry in listed["entries"]] == ["shop/main.py"]
    assert len(sent) == 2
    studio.page.remove_listener("request", note)


async def test_what_is_too_much_and_what_cannot_be_read_is_said(studio: Studio) -> None:
    # Nothing of it is sent: this is about what is said.
    await studio.page.route(UPLOADS, refusing(507))
    await drop(studio, {"many": {f"{n}.txt": "" for n in range(2001)}})
    for said in ("Only the first 2000 files are uploaded", "The disk of your workspace is full"):
        await expect(studio.page.get_by_text(said)).to_be_visible()
    await drop(studio, {"gone.txt": None})
    await expect(studio.page.get_by_text("Something went wrong")).to_be_visible()
