"""The preview shared from its own bar, and what is left of it afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import Page, expect
from sqlmodel import col, update

from ops.db.session import Database
from ops.db.tables import ShareLink, now
from tests.browser.attacks.scene import Scene
from tests.browser.support import PATIENCE_MS, Window, signed_in, violations

SOCKET = """
() => new Promise((done, broken) => {
  window.link = new WebSocket(location.href.replace("http", "ws"));
  link.onmessage = ({ data }) => done(data);
  link.onerror = broken;
})
"""
CLOSED = "() => link.readyState === WebSocket.CLOSED"


@pytest_asyncio.fixture
async def owner(scene: Scene) -> AsyncIterator[Page]:
    state = await signed_in(scene.victim.user)
    permissions = ["clipboard-read", "clipboard-write"]
    options: dict[str, Any] = {"permissions": permissions, "bypass_csp": True}
    async with Window.opened(scene.browser, scene.settings, state, **options) as page:
        yield page


@pytest_asyncio.fixture
async def guest(scene: Scene) -> AsyncIterator[Page]:
    """Somebody who has nothing but a link."""
    context = await scene.browser.new_context()
    yield await context.new_page()
    await context.close()


async def comes(guest: Page, url: str) -> None:
    await guest.goto(url)
    await expect(guest.get_by_role("heading", name="It runs")).to_be_visible()
    assert await guest.evaluate(SOCKET) == "hi"


async def is_shut_out(guest: Page, url: str) -> None:
    """The socket is closed, the page is gone, and the link itself says why."""
    await guest.wait_for_function(CLOSED, timeout=PATIENCE_MS)
    await guest.reload()
    await expect(guest.get_by_role("heading", name="It runs")).to_have_count(0)
    answer = await guest.goto(url)
    assert answer
    assert answer.status == 403
    await expect(guest.get_by_role("heading", name="This link is over")).to_be_visible()


async def test_a_link_is_made_copied_and_withdrawn(
    owner: Page, guest: Page, scene: Scene, axe: Path
) -> None:
    await owner.goto(f"/studio/{scene.victim.app.id}")
    share = owner.get_by_role("button", name="Share the preview")
    await share.focus()
    await owner.keyboard.press("Enter")
    dialog = owner.get_by_role("dialog", name="Share the preview")
    create = dialog.get_by_role("button", name="Create link")
    await expect(create).to_be_focused()
    await dialog.get_by_role("combobox", name="Valid for").click()
    await owner.get_by_role("option", name="1 hour").click()
    await expect(dialog.get_by_role("combobox", name="Valid for")).to_have_text("1 hour")
    await create.press("Enter")
    await expect(dialog.get_by_role("status").first).to_contain_text("Valid until")
    await dialog.get_by_role("button", name="Copy: share link").press("Enter")
    url = await owner.evaluate("navigator.clipboard.readText()")
    assert url.startswith(scene.victim.preview)
    assert await violations(owner, axe, "[role=dialog]") == []
    links = dialog.get_by_role("listitem")
    await comes(guest, url)
    # The victim's only one: what is pressed is the new one, and its list has been loaded again.
    await expect(links).to_have_count(1)
    await links.get_by_role("button", name="Withdraw").press("Enter")
    await expect(links).to_have_count(0)
    await expect(dialog.get_by_text("is withdrawn")).to_be_visible()
    await is_shut_out(guest, url)
    await owner.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(share).to_be_focused()


async def test_a_link_that_expired_shows_nothing(guest: Page, scene: Scene) -> None:
    link = await scene.victim.link()
    await comes(guest, link["url"])
    database = Database.connect(scene.settings)
    late = {"expires_at": now() - timedelta(seconds=1)}
    async with database.session() as session:
        await session.exec(update(ShareLink).where(col(ShareLink.id) == link["id"]).values(late))
    await database.close()
    await is_shut_out(guest, link["url"])
