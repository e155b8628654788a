"""The page of an app: it is stopped and started, and its data is looked at and changed."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from playwright.async_api import Page, Route, expect

from tests.support.apps import hello
from tests.support.user import App, User, ok

TURNS_MS = 60_000
"""A start goes through the health check of a deployment."""


async def test_an_app_is_stopped_and_started(page: Page, user: User) -> None:
    app = await user.app(hello("open"))
    await app.deployed()
    await page.goto(f"/app/{app.id}")
    stop, start = (page.get_by_role("button", name=name, exact=True) for name in ("Stop", "Start"))
    opens = page.get_by_role("link", name="Open", exact=True).first
    await expect(opens).to_be_visible()
    await stop.click()
    await expect(start).to_be_visible(timeout=TURNS_MS)
    await expect(stop).to_have_count(0)
    await expect(opens).to_have_count(0)
    # What was begun is what is looked at, as with a deployment.
    deployment = page.get_by_role("region", name="Deployment ")
    await expect(deployment.get_by_text(re.compile(r"^Stop #\d+"))).to_be_visible()
    assert (await app.get()).status_code >= 400

    await start.click()
    await expect(stop).to_be_visible(timeout=TURNS_MS)
    await expect(opens).to_be_visible()
    await expect(deployment.get_by_text(re.compile(r"^Start #\d+"))).to_be_visible()
    await expect(deployment.get_by_text("Live at", exact=True)).to_be_visible()
    assert (await app.get()).text == "open"


async def documents(app: App) -> list[dict[str, Any]]:
    """With the types of their numbers."""
    asked: dict[str, str | bool] = {
        "collection": "dishes",
        "canonical": True,
        "sort": '{"name": 1}',
    }
    found = ok(await app.api.get(f"/api/apps/{app.id}/data/documents", params=asked))
    return [{key: one[key] for key in ("name", "price")} for one in found["documents"]]


async def test_documents_are_added_edited_and_deleted(page: Page, user: User) -> None:
    # It has its database with its first deployment.
    app = await user.app(hello())
    await app.deployed()
    # A number that JSON alone would take for one of another type.
    soup = {"name": "soup", "price": {"$numberLong": "3"}}
    path = f"/api/apps/{app.id}/data/documents"
    ok(await app.api.post(path, params={"collection": "dishes"}, json={"document": soup}), 201)
    await page.goto(f"/app/{app.id}/data")
    dishes = page.get_by_role("region", name="dishes")
    shown = dishes.get_by_role("listitem")
    text = page.get_by_role("dialog").get_by_label("Document")
    save = page.get_by_role("dialog").get_by_role("button", name="Save")
    await expect(shown).to_have_count(1)

    # What is wrong is said beside its field, and what was typed stays.
    await dishes.get_by_role("button", name="New document").click()
    await expect(text).to_be_focused()
    await text.fill('{"name": "cake", "price": }')
    await save.click()
    await expect(text).to_have_accessible_description(re.compile("This is no valid JSON"))
    await text.fill('{"name": "cake", "price": 4}')
    await save.click()
    await expect(shown).to_have_count(2)
    await expect(page.get_by_role("navigation", name="Collections")).to_contain_text("dishes2")

    await shown.filter(has_text="soup").get_by_role("button", name="Edit document").click()
    await expect(text).to_have_value(re.compile("soup"))
    await expect(text).to_be_focused()
    await text.fill((await text.input_value()).replace("soup", "stew"))
    await text.press("Control+Enter")
    await expect(shown.filter(has_text="stew")).to_be_visible()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    cake = {"name": "cake", "price": {"$numberInt": "4"}}
    assert await documents(app) == [cake, {**soup, "name": "stew"}]

    confirm = page.get_by_role("alertdialog", name="Delete this document?")
    delete = shown.filter(has_text="stew").get_by_role("button", name="Delete document")
    await delete.click()
    await confirm.get_by_role("button", name="Cancel").click()
    await expect(confirm).to_have_count(0)
    await expect(shown).to_have_count(2)
    await delete.click()
    await confirm.get_by_role("button", name="Delete document").click()
    await expect(shown).to_have_count(1)
    await expect(page.get_by_role("navigation", name="Collections")).to_contain_text("dishes1")
    assert await documents(app) == [cake]


async def test_a_document_is_edited_once_it_has_come_and_saved_once(page: Page, user: User) -> None:
    """Of a database as it would be after a deployment, which takes longer."""
    app = App(user, ok(await user.api.post("/api/apps", json={"name": "Shop"}), 201))
    come, saved = asyncio.Event(), asyncio.Event()
    writes = 0

    async def collections(route: Route) -> None:
        held = [{"name": "dishes", "documents": 1}]
        await route.fulfill(json={"collections": held, "total": 1, "full": False})

    async def dishes(route: Route) -> None:
        nonlocal writes
        if route.request.method == "PUT":
            writes += 1
            await saved.wait()
            await route.fulfill(status=204)
            return
        if "canonical=true" in route.request.url:
            await come.wait()
        await route.fulfill(json={"documents": [{"_id": 1, "name": "soup"}], "more": False})

    await page.route(re.compile(r"/data/collections"), collections)
    await page.route(re.compile(r"/data/documents"), dishes)
    await page.goto(f"/app/{app.id}/data")
    await page.get_by_role("button", name="Edit document").click()
    text = page.get_by_role("dialog").get_by_label("Document")
    await expect(text).to_be_focused()
    await expect(text).not_to_be_editable()
    come.set()
    await expect(text).to_have_value(re.compile("soup"))
    await text.press("Control+Enter")
    await text.press("Control+Enter")
    saved.set()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert writes == 1
