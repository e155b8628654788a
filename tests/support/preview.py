"""A preview (or VS Code) as a browser sees it, and Vite's hot reload as its client does."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from activities.contracts.workspace import DEV_PORT
from activities.listening import established
from activities.workspace_exec import Execs
from api.workspace_node.sockets import looked_at
from tests.support.user import User, ok

PAGE = {"Accept": "text/html"}
UPDATE_SECONDS = 10.0


def visitor(user: User, at: str = "") -> httpx.AsyncClient:
    """A browser at the preview's own address, or ``at`` another's, which knows nothing of the
    studio's session."""
    settings = user.settings
    host = (at or settings.preview_url(user.id)).split("/")[2]
    base = settings.entry_url + settings.preview_base_path(user.id)
    return httpx.AsyncClient(base_url=base, headers={"Host": host}, timeout=30, trust_env=False)


async def entered(
    user: User,
    browser: httpx.AsyncClient,
    headers: dict[str, str] | None = None,
    *,
    url: str = "",
) -> None:
    """Gives the browser the preview's cookie, by a ticket or by the address of a share link."""
    if not url:
        ticket = await user.api.post("/api/workspace/preview-ticket", headers=headers)
        url = ok(ticket)["url"]
    path = httpx.URL(url).raw_path.decode()
    answer = await browser.get(path.removeprefix(user.settings.preview_base_path(user.id)))
    assert answer.status_code == 303, answer.text
    browser.cookies.clear()
    browser.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]


async def is_looked_at(user: User, port: int = DEV_PORT) -> bool:
    """As its node sees it."""
    settings = user.settings
    node = settings.node(ok(await user.api.get("/api/workspace"))["node"])
    users = await Execs(settings).addresses(node)
    return user.id in looked_at(established(port), users, settings.service_address)


@asynccontextmanager
async def socket(
    user: User,
    path: str = "/",
    *,
    subprotocol: str | None = None,
    at: str = "",
    origin: str | None = "own",
    **headers: str,
) -> AsyncIterator[ClientConnection]:
    """A WebSocket to the preview (or ``at`` another address), as its own page opens it."""
    settings = user.settings
    at = (at or settings.preview_url(user.id)).removesuffix("/")
    url = at.replace("http", "ws", 1)
    async with connect(
        f"{url}{path}",
        host="127.0.0.1",
        port=settings.ports.public,
        origin="/".join(at.split("/")[:3]) if origin == "own" else origin,  # type: ignore[arg-type]
        subprotocols=[subprotocol] if subprotocol else None,  # type: ignore[list-item]
        additional_headers=headers,
        proxy=None,
        close_timeout=1,
    ) as connection:
        yield connection


@asynccontextmanager
async def hot_reload(user: User, browser: httpx.AsyncClient, **headers: str) -> AsyncIterator[Hot]:
    """What Vite's client in a page does: it takes the token from its script, and connects."""
    script = await browser.get("@vite/client")
    assert script.status_code == 200, script.text
    token = re.search(r'wsToken = "([^"]+)"', script.text)
    assert token
    async with socket(user, f"/?token={token[1]}", subprotocol="vite-hmr", **headers) as connection:
        hot = Hot(connection)
        assert (await hot.next())["type"] == "connected"
        yield hot


class Hot:
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(UPDATE_SECONDS):
            told: dict[str, Any] = json.loads(await self._connection.recv())
            return told

    async def update_of(self, path: str) -> dict[str, Any]:
        """The update of one module, by its path in the page."""
        while True:
            told = await self.next()
            for update in told.get("updates", []):
                if update["path"] == path:
                    found: dict[str, Any] = update
                    return found
