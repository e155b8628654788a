"""Share links: what they show, what they do not, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlmodel import col, update
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ops.db.session import Database
from ops.db.tables import PreviewPass, ShareLink, now
from tests.support.platform import Platform
from tests.support.preview import PAGE, entered, is_looked_at, socket, visitor
from tests.support.user import User, ok
from tests.support.workspace import OpenApp, run_is

CLOSED_WITHIN = 5.0
SERVER = """
import { createHash } from "node:crypto"
import http from "node:http"
http.createServer((request, response) => {
  if (request.url === "/endless") return response.write("begun")
  response.end(JSON.stringify(request.headers))
}).on("upgrade", (request, socket) => {
  const key = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
  const accept = createHash("sha1").update(key).digest("base64")
  socket.on("error", () => {})
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\n" +
    `Connection: Upgrade\\r\\nSec-WebSocket-Accept: ${accept}\\r\\n\\r\\n\\x81\\x02hi`, "latin1")
}).listen(process.env.PORT)
"""


@pytest_asyncio.fixture(scope="module")
async def owner(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[User]:
    async with User.registered(platform.settings, tmp_path_factory.mktemp("owner")) as user:
        yield user


@pytest_asyncio.fixture(scope="module")
async def made(owner: User) -> OpenApp:
    app = await OpenApp.opened(owner)
    ok(await app.put("package.json", '{"type": "module", "scripts": {"dev": "node server.js"}}'))
    ok(await app.put("server.js", SERVER))
    return app


@pytest_asyncio.fixture
async def shown(owner: User, made: OpenApp) -> OpenApp:
    """The app that is shared; it runs."""
    ok(await made.post("run", task="dev"))
    await run_is(owner, "RUNNING")
    return made


async def link(app: OpenApp) -> dict[str, Any]:
    return dict(ok(await app.post("share-links", expires_in=3600), 201))


@asynccontextmanager
async def guest(app: OpenApp, url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that came by a link."""
    async with visitor(app.user) as browser:
        await entered(app.user, browser, url=url)
        yield browser


async def withdraw(app: OpenApp, made: dict[str, Any]) -> None:
    answer = await app.user.api.delete(f"/api/workspace/share-links/{made['id']}")
    assert answer.status_code == 204, answer.text


async def test_a_guest_sees_what_runs_until_the_link_is_withdrawn(shown: OpenApp) -> None:
    made = await link(shown)
    (known,) = ok(await shown.user.api.get("/api/workspace/share-links"))
    assert known == {key: value for key, value in made.items() if key != "url"}
    async with guest(shown, made["url"]) as browser:
        cookie = browser.headers["Cookie"]
        headers = ok(await browser.get("/", headers={"X-Studio-Guest": "1"}))
        assert not {"cookie", "x-studio-guest", "x-studio-slot"} & headers.keys()
        async with (
            socket(shown.user, Cookie=cookie) as open_socket,
            browser.stream("GET", "/endless") as endless,
        ):
            assert await open_socket.recv() == "hi"
            pieces = endless.aiter_text()
            assert await anext(pieces) == "begun"
            assert not await is_looked_at(shown.user)
            await withdraw(shown, made)
            async with asyncio.timeout(CLOSED_WITHIN):
                with pytest.raises(ConnectionClosed):
                    await open_socket.recv()
                with pytest.raises(httpx.RemoteProtocolError):
                    await anext(pieces)
        async with asyncio.timeout(CLOSED_WITHIN + 2):
            while (status := (await browser.get("/")).status_code) != 401:
                assert status == 503
                await asyncio.sleep(0.2)
        again = await browser.get(httpx.URL(made["url"]).raw_path.decode())
        assert (again.status_code, "withdrawn" in again.text) == (403, True)
    assert (await shown.user.api.delete("/api/workspace/share-links/1")).status_code == 404


async def test_an_owner_who_looks_is_use(shown: OpenApp) -> None:
    async with visitor(shown.user) as browser:
        await entered(shown.user, browser)
        async with socket(shown.user, Cookie=browser.headers["Cookie"]) as open_socket:
            assert await open_socket.recv() == "hi"
            assert await is_looked_at(shown.user)
            # Whoever may see more already keeps that.
            made = await link(shown)
            answer = await browser.get(httpx.URL(made["url"]).raw_path.decode())
            assert (answer.status_code, answer.headers.get("set-cookie")) == (303, None)


async def test_a_link_opens_nothing_else(shown: OpenApp, stranger: User) -> None:
    made = await link(shown)
    token = httpx.URL(made["url"]).params["token"]
    api = shown.user.api
    for headers in (
        {"Authorization": f"Bearer {token}"},
        {"Authorization": "", "Cookie": f"studio_preview={token}; studio_session={token}"},
    ):
        for path in ("/api/workspace", f"/api/workspace/files/tree?app_id={shown.id}", "/api/me"):
            assert (await api.get(path, headers=headers)).status_code == 401
    async with visitor(stranger) as browser:
        for tried in (token, token[:-1], "", "x" * 300):
            answer = await browser.get("/.studio/share", params={"token": tried})
            assert answer.status_code == 403
        browser.headers["Cookie"] = f"studio_preview={token}"
        assert (await browser.get("/")).status_code == 401
    # What it was made for is not told to others, nor can they withdraw it.
    assert ok(await stranger.api.get("/api/workspace/share-links")) == []
    theirs = f"/api/workspace/share-links/{made['id']}"
    assert (await stranger.api.delete(theirs)).status_code == 404
    refused = await stranger.api.post("/api/workspace/share-links", json={"app_id": shown.id})
    assert refused.status_code == 404
    async with visitor(shown.user) as browser:
        ticket = await browser.get("/.studio/enter", params={"ticket": token})
        assert ticket.status_code == 403


async def test_another_app_is_not_shown_and_nothing_is_woken(shown: OpenApp) -> None:
    made = await link(shown)
    user = shown.user
    async with guest(shown, made["url"]) as browser:
        async with socket(user, Cookie=browser.headers["Cookie"]) as open_socket:
            assert await open_socket.recv() == "hi"
            other = OpenApp(
                user, ok(await user.api.post("/api/apps", json={"name": "o"}), 201)["id"]
            )
            ok(await other.post("open"))
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(open_socket.recv(), CLOSED_WITHIN)
        ok(await other.put("index.html", "the secret of another app"))
        ok(await other.post("run", task="dev"))
        await run_is(user, "RUNNING")
        page = await browser.get("/", headers=PAGE)
        assert (page.status_code, "secret" in page.text) == (503, False)
        with pytest.raises(InvalidStatus):
            async with socket(user, Cookie=browser.headers["Cookie"]):
                pytest.fail("it was let in")
        ok(await user.api.post("/api/workspace/close"))
        page = await browser.get("/", headers=PAGE)
        assert (page.status_code, "Nothing to see just now" in page.text) == (503, True)
        # Long enough for what a visit of its owner would have begun.
        await asyncio.sleep(0.5)
        assert ok(await user.api.get("/api/workspace"))["status"] == "STOPPED"


async def test_what_is_too_late_opens_nothing(shown: OpenApp) -> None:
    made = await link(shown)
    url = ok(await shown.user.api.post("/api/workspace/preview-ticket"))["url"]
    database = Database.connect(shown.user.settings)
    async with guest(shown, made["url"]) as browser:
        assert (await browser.get("/")).status_code == 200
        async with socket(shown.user, Cookie=browser.headers["Cookie"]) as open_socket:
            assert await open_socket.recv() == "hi"
            async with database.session() as session:
                late = {"expires_at": now() - timedelta(seconds=1)}
                mine = col(PreviewPass.user_id) == shown.user.id
                await session.exec(update(PreviewPass).where(mine).values(late))
                await session.exec(
                    update(ShareLink).where(col(ShareLink.id) == made["id"]).values(late)
                )
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(open_socket.recv(), CLOSED_WITHIN)
        for late_url in (url, made["url"]):
            answer = await browser.get(httpx.URL(late_url).raw_path.decode())
            assert answer.status_code == 403
    await database.close()
    for wrong in (0, 59, 10**9, "x"):
        answer = await shown.post("share-links", expires_in=wrong)
        assert answer.status_code == 422
