"""Each template is developed in a workspace, changed there, pushed, and deployed unchanged."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.support.preview import entered, visitor
from tests.support.user import App, User, ok
from tests.support.workspace import OpenApp, run_is

CHANGED: dict[str, tuple[str, str, str]] = {
    # Template: the file that its page says to change, where the preview serves what that file
    # holds, and where the public page does; "*.js" is the built script that the page loads.
    "static": ("index.html", "/", "/"),
    "express-api": ("server.js", "/", "/"),
    "fastapi": ("main.py", "/", "/"),
    "vite-react": ("src/App.jsx", "/src/App.jsx", "*.js"),
    "vite-vue": ("src/App.vue", "/src/App.vue", "*.js"),
    "notes": ("public/index.html", "/", "/"),
}
BEFORE = {"notes": "<h1>Notes"}


async def shows(browser: httpx.AsyncClient, path: str, words: str) -> None:
    """Until the preview shows it: a server that watches its files takes a moment to start again."""
    seen = ""
    try:
        async with asyncio.timeout(20):
            while words not in seen:
                answer = await browser.get(path)
                seen = answer.text
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not shown at {path}: {words}; but {seen[:500]}") from None


async def public_text(app: App, path: str) -> str:
    page = (await app.get("/")).text
    if path != "*.js":
        return page
    script = page.partition(' src="')[2].partition('"')[0]
    assert script.endswith(".js"), page
    return (await app.get(script)).text


@pytest.mark.parametrize("template", CHANGED)
async def test_a_template_is_developed_and_deployed_unchanged(user: User, template: str) -> None:
    file, seen_at, public_at = CHANGED[template]
    app = await OpenApp.opened(user, template)
    ok(await app.post("run", task="dev"))
    run = await run_is(user, "RUNNING", "DEAD", "FAILED", seconds=120)
    assert run["state"] == "RUNNING", run
    before = BEFORE.get(template, "It works")
    after = before.replace("It works", "Changed here").replace("Notes", "Changed here")
    async with visitor(user) as browser:
        await entered(user, browser)
        await shows(browser, seen_at, before)
        text = await app.text(file)
        assert before in text
        ok(await app.put(file, text.replace(before, after)))
        await shows(browser, seen_at, "Changed here")
    committed = ok(await app.post("git/commit", message="Changed here"))
    ok(await app.post("git/push"))
    live = App(user, ok(await user.api.get(f"/api/apps/{app.id}")))
    deployment = await live.deployed()
    assert (deployment["status"], deployment["commit"]) == ("SUCCEEDED", committed["commit"])
    assert "Changed here" in await public_text(live, public_at)


async def test_notes_are_kept_apart_in_development_and_in_public(user: User) -> None:
    """The development database is off unless it is asked for, and outlives its container."""
    app = await OpenApp.opened(user, "notes")
    assert await app.shell("pgrep -c ferretdb; echo ${MONGODB_URI:-none}") == "0\nnone"
    ok(await user.api.patch("/api/workspace", json={"dev_mongo": True}))
    ok(await user.api.post("/api/workspace/close"))
    ok(await app.post("open"))
    ok(await app.post("run", task="dev"))
    await run_is(user, "RUNNING", seconds=60)
    async with visitor(user) as browser:
        await entered(user, browser)
        ok(await browser.post("/api/notes", json={"text": "only while I try"}), 201)
        ok(await user.api.post("/api/workspace/close"))
        ok(await app.post("open"))
        ok(await app.post("run", task="dev"))
        await run_is(user, "RUNNING", seconds=60)
        kept = ok(await browser.get("/api/notes"))
    assert [note["text"] for note in kept] == ["only while I try"]
    live = App(user, ok(await user.api.get(f"/api/apps/{app.id}")))
    assert (await live.deployed())["status"] == "SUCCEEDED"
    assert ok(await live.get("/api/notes")) == []
