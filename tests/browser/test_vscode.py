"""VS Code in a workspace: its owner works in it, and nobody else gets to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from websockets.exceptions import InvalidStatus

from activities.workspace_exec import Execs
from api.workspace_node.code_servers import LEAST_IDLE_SECONDS, CodeServers
from ops.names import CODE_PORT
from tests.browser.support import WORKBENCH_MS, Window, signed_in
from tests.support.platform import Platform
from tests.support.preview import entered, is_looked_at, socket, visitor
from tests.support.user import User, ok
from tests.support.workspace import OpenApp

RUNNING = "pgrep -fc 'code-server/out/node/entry.js --config'"
# Less than code-server takes: it gets its least, and needs a while to look at its clock and to go.
IDLE_SECONDS = 1.0
ENDS_SECONDS = LEAST_IDLE_SECONDS + 30
SAVED_SECONDS = 10.0


@pytest_asyncio.fixture(scope="module")
async def owner(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[User]:
    async with User.registered(platform.settings, tmp_path_factory.mktemp("owner")) as user:
        yield user


@pytest_asyncio.fixture(scope="module")
async def made(owner: User) -> OpenApp:
    app = await OpenApp.opened(owner)
    ok(await app.put("hello.txt", "written in the studio\n"))
    return app


@pytest_asyncio.fixture(scope="module", autouse=True)
async def left_alone(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OpenApp]:
    """A workspace whose VS Code runs since before the first test here, and is used by nobody.

    Its node starts it with the setting of an installation that is less patient than the tests'.
    """
    settings = platform.settings
    async with User.registered(settings, tmp_path_factory.mktemp("left")) as user:
        made = await OpenApp.opened(user)
        node = settings.node(ok(await user.api.get("/api/workspace"))["node"])
        impatient = settings.model_copy(update={"run_idle_seconds": IDLE_SECONDS})
        await CodeServers(impatient, node, Execs(settings)).start(user.id)
        yield made


async def enters(user: User, url: str) -> str:
    """The cookie that a browser gets for a ticket."""
    async with visitor(user, url) as browser:
        await entered(user, browser, url=url)
        return browser.headers["Cookie"]


async def test_its_owner_works_in_it(
    browser: Browser, owner: User, made: OpenApp, pictures: Path | None
) -> None:
    async with Window.opened(browser, owner.settings, await signed_in(owner)) as page:
        await page.goto(f"/studio/{made.id}")
        async with page.expect_popup() as opened:
            await page.get_by_role("button", name="Open in VS Code").click()
        code = await opened.value
        await code.get_by_role("treeitem", name="hello.txt").dblclick(timeout=WORKBENCH_MS)
        editor = code.locator(".monaco-editor[data-uri$='hello.txt']")
        await expect(editor).to_contain_text("written")
        if pictures:
            await code.screenshot(path=pictures / "vscode.png")
        await editor.locator(".view-line").first.click()
        await code.keyboard.press("Control+Home")
        await code.keyboard.type("and in VS Code, ")
        await code.keyboard.press("Control+S")
        async with asyncio.timeout(SAVED_SECONDS):
            while await made.text("hello.txt") != "and in VS Code, written in the studio\n":
                await asyncio.sleep(0.1)
        await page.get_by_role("treeitem", name="hello.txt").click()
        await expect(page.locator(".monaco-editor").first).to_contain_text("and in VS Code")
        # What looks at it is use, and keeps the workspace from falling asleep.
        assert await is_looked_at(owner, CODE_PORT)
        assert await code.evaluate("window.opener") is None
    assert await made.shell(RUNNING) == "1"


async def test_it_ends_with_the_session_that_opened_it(owner: User, made: OpenApp) -> None:
    at = owner.settings.code_url(owner.id)
    async with owner.elsewhere() as token_id:
        cookie = await enters(owner, ok(await made.post("code"))["url"])
        async with socket(owner, at=at, Cookie=cookie) as open_one:
            await open_one.ping()
            await owner.signs_out(token_id)
            async with asyncio.timeout(10):
                await open_one.wait_closed()
    async with visitor(owner, at) as browser, asyncio.timeout(10):
        while (await browser.get("/", headers={"Cookie": cookie})).status_code != 401:
            await asyncio.sleep(0.1)


async def test_elsewhere_a_link_may_lead_to_an_app_in_it_and_to_nothing_more(
    owner: User, made: OpenApp
) -> None:
    at = owner.settings.code_url(owner.id)
    own = await enters(owner, ok(await made.post("code"))["url"])
    from_elsewhere = {
        "Cookie": own,
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    async with visitor(owner, at) as browser:
        for path, status in {
            f"/?folder=/workspace/apps/{made.id}": 200,
            f"/?folder=/workspace/apps/{made.id}&payload=[]": 403,
            "/?folder=/etc": 403,
            "/vscode-remote-resource?path=/workspace/.git-credentials": 403,
        }.items():
            assert (await browser.get(path, headers=from_elsewhere)).status_code == status, path


async def test_nobody_else_gets_to_it(owner: User, made: OpenApp, user: User) -> None:
    at = owner.settings.code_url(owner.id)
    ticket = ok(await made.post("code"))["url"]
    own = await enters(owner, ticket)
    theirs = await OpenApp.opened(user)
    stranger = await enters(user, ok(await theirs.post("code"))["url"])
    assert (await user.api.post("/api/workspace/code", json={"app_id": made.id})).status_code == 404
    link = ok(await made.post("share-links", expires_in=3600), 201)["url"]
    preview = ok(await owner.api.post("/api/workspace/preview-ticket"))["url"]
    others = ["", stranger, await enters(owner, link), await enters(owner, preview)]
    async with visitor(owner, at) as browser:
        for cookie in others:
            assert (await browser.get("/", headers={"Cookie": cookie})).status_code == 401
            with pytest.raises(InvalidStatus) as denied:
                async with socket(owner, at=at, Cookie=cookie):
                    pass
            assert denied.value.response.status_code == 401
        for used in (ticket, preview, link):
            path = httpx.URL(used).raw_path.decode()
            assert (await browser.get(path)).status_code in (403, 404)
        browser.headers["Cookie"] = own
        page = await browser.get("/", params={"folder": "/workspace"})
        assert page.status_code == 200
        assert "frame-ancestors 'self'" in page.headers.get_list("content-security-policy")
        # A page of the preview is the same site: its requests carry the cookie, and are refused.
        elsewhere = owner.settings.preview_url(owner.id).removesuffix("/")
        for headers in (
            {"Origin": elsewhere},
            {"Origin": owner.settings.studio_url},
            {
                "Sec-Fetch-Site": "same-site",
                "Sec-Fetch-Mode": "no-cors",
                "Sec-Fetch-Dest": "script",
            },
        ):
            assert (await browser.get("/", headers=headers)).status_code == 403
    for origin in (elsewhere, owner.settings.studio_url, None):
        with pytest.raises(InvalidStatus) as denied:
            async with socket(owner, at=at, origin=origin, Cookie=own):
                pass
        assert denied.value.response.status_code == 403
    async with socket(owner, at=at, Cookie=own):
        assert await is_looked_at(owner, CODE_PORT)
    ok(await owner.api.post("/api/workspace/close"))
    async with visitor(owner, at) as browser:
        closed = await browser.get("/", headers={"Cookie": own})
    assert (closed.status_code, "files are kept" in closed.text) == (503, True)


async def test_it_ends_when_nobody_uses_it_and_comes_back_when_somebody_does(
    left_alone: OpenApp,
) -> None:
    async with left_alone.terminal() as terminal, asyncio.timeout(ENDS_SECONDS):
        while await terminal.run(RUNNING) != "0":
            await asyncio.sleep(1)
    user = left_alone.user
    at = user.settings.code_url(user.id)
    cookie = await enters(user, ok(await left_alone.post("code"))["url"])
    async with visitor(user, at) as browser:
        answer = await browser.get("/", params={"folder": "/"}, headers={"Cookie": cookie})
    assert answer.status_code == 200
