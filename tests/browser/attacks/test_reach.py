"""Hostile code, live and in previews: what its visitor's browser lets it reach of the studio and
of others. Each attack is tried, and each is seen to be refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
import pytest_asyncio

from api.entry.deps import cookie_name
from tests.browser.attacks.scene import BLOCKED, PLACES, Place, Scene
from tests.support.user import PASSWORD, ok

NOTHING = {"cors", "blind", "request", "image", "script", "module", "events"}
"""All ways to read, of which none may lead to anything."""


@pytest_asyncio.fixture(params=PLACES)
async def place(scene: Scene, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    async with scene.at(request.param) as place:
        yield place


async def test_the_session_is_not_to_be_read(scene: Scene, place: Place) -> None:
    token = scene.victim.user.api.headers["Authorization"].partition(" ")[2]
    seen = " ".join(await place.tries("looks"))
    assert token not in seen
    assert "studio_session" not in seen
    assert "studio_preview" not in seen


async def test_the_api_is_not_to_be_used_with_the_visitors_credentials(
    scene: Scene, place: Place
) -> None:
    studio, before = scene.settings.studio_url, await scene.state()
    got = await place.tries("reads", origin=studio, path="/api/me", script="/api/me")
    assert got == dict.fromkeys(NOTHING, "refused")
    mine = ok(await scene.attacker.user.api.get("/api/me"))["email"]
    for path, json in (
        ("/api/auth/tokens", '{"name":"stolen"}'),
        ("/api/apps", '{"name":"planted"}'),
        ("/api/auth/logout", "{}"),
        ("/api/auth/login", f'{{"email":"{mine}","password":"{PASSWORD}"}}'),
    ):
        await place.tries("posts", url=studio + path, json=json)
    await place.tries("form", url=f"{studio}/api/auth/logout", json="{}", target="_blank")
    assert await scene.state() == before
    token = scene.victim.user.api.headers["Authorization"].partition(" ")[2]
    assert await scene.studio_cookies() == [(cookie_name(scene.settings), token)]


async def test_the_studio_is_neither_framed_nor_held_by_who_opened_it(
    scene: Scene, place: Place
) -> None:
    studio = scene.settings.studio_url
    paths = ("/apps", f"/studio/{scene.victim.app.id}", "/api/me", "/apps/999/", "/ws/999/")
    shown = await place.tries_to_frame(*(studio + path for path in paths))
    assert shown == [BLOCKED] * len(paths)
    found, opened = await place.tries_to_open(f"{studio}/apps")
    assert found == {"found": "refused", "cut": True}
    assert await opened.evaluate("window.opener") is None
    if place.frame.parent_frame:
        assert await place.tries("leads", url=scene.attacker.app.url) == "refused"


async def test_no_cookie_of_the_studio_is_planted(scene: Scene, place: Place) -> None:
    before = await scene.studio_cookies()
    studio, host = scene.settings.studio_url, scene.settings.studio_host
    names = [cookie_name(scene.settings), "studio_preview", "other"]
    domains = [host, f".{host}", host.partition(".")[2], "localhost"]
    await place.tries("sets", names=names, domains=domains)
    asked = "&".join(
        f"cookie={quote(f'{name}=planted; Path=/' + (f'; Domain={domain}' if domain else ''))}"
        for name in names
        for domain in ["", *domains]
    )
    own, attacker = place.frame.url.rpartition("/")[0], scene.attacker
    in_place = [f"{studio}/apps/{attacker.app.id}/", f"{studio}/ws/{attacker.user.id}/"]
    await place.tries("fetches", urls=[f"{base}/?{asked}" for base in (own, *in_place)])
    assert await scene.studio_cookies() == before


async def test_no_terminal_is_opened(scene: Scene, place: Place) -> None:
    sockets = scene.settings.studio_url.replace("http", "ws", 1)
    for app in (scene.victim.app.id, scene.attacker.app.id):
        url = f"{sockets}/api/workspace/terminal?app_id={app}"
        assert await place.tries("socket", url=url) == "refused"


async def test_what_is_others_is_out_of_reach(scene: Scene, place: Place) -> None:
    """Another's preview comes with this visitor's pass, where the browser would send it."""
    preview, app = place.other.preview, scene.victim.app.url
    sockets = preview.replace("http", "ws", 1)
    looked = " ".join(await place.tries("looks"))
    assert preview.rstrip("/") not in looked
    assert app.rstrip("/") not in looked
    # The attempt itself works where it may.
    assert await place.tries("socket", url=place.frame.url.replace("http", "ws", 1)) == "open"
    assert await place.tries("socket", url=sockets) == "refused"
    got = await place.tries("reads", origin=preview, path="seen", script="data.js")
    assert got == dict.fromkeys(NOTHING, "refused")
    # VS Code's own page frames nothing but itself; of others only a live app lets itself be framed.
    shown = BLOCKED if place.name == "VS Code" else app
    assert await place.tries_to_frame(preview, app) == [BLOCKED, shown]
    for url in (preview, app):
        found, _ = await place.tries_to_open(url)
        assert found["found"] == "refused"
    for url in (preview, app, scene.settings.studio_url):
        assert await place.tries("works", worker=f"{url}/worker.js", scope="/") == "refused"
        assert await place.tries("works", worker="/worker.js", scope=url) == "refused"
