"""The variables of an app: nothing that was typed is lost, and what is saved may go live at once."""

from __future__ import annotations

import re
from typing import Any

import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.browser.support import refusing
from tests.browser.test_forms import is_wrong
from tests.support.user import App, User, ok

LIVE = 7
COMMIT = "9fceb02d0ae598e95dc970b74767f19372d61af8"


@pytest_asyncio.fixture
async def app(user: User) -> App:
    return App(user, ok(await user.api.post("/api/apps", json={"name": "Shop"}), 201))


async def kept(app: App) -> dict[str, str]:
    found = ok(await app.api.get(f"/api/apps/{app.id}/env", params={"reveal": True}))
    return {one["key"]: one["value"] for one in found["variables"]}


async def test_a_value_without_a_name_is_a_fault_and_outlives_a_look_at_another_part(
    page: Page, app: App
) -> None:
    await page.goto(f"/app/{app.id}/environment")
    await page.get_by_role("button", name="Add a variable").click()
    value = page.get_by_label("Value of")
    await value.fill("hello")
    await page.get_by_role("button", name="Save").click()
    await is_wrong(page.get_by_label("Name of the variable"), "This is needed")
    await expect(page.get_by_text("Saved", exact=True)).to_have_count(0)

    await page.get_by_role("link", name="Settings").click()
    await expect(page.get_by_role("heading", name="General")).to_be_visible()
    await page.get_by_role("link", name="Environment").click()
    await expect(value).to_have_value("hello")
    await page.get_by_label("Name of the variable").fill("GREETING")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    assert await kept(app) == {"GREETING": "hello"}


async def test_a_renamed_variable_takes_its_value_along(page: Page, app: App) -> None:
    given = {"set": [{"key": "GREETING", "value": "hello"}], "unset": []}
    ok(await app.api.patch(f"/api/apps/{app.id}/env", json=given))
    await page.goto(f"/app/{app.id}/environment")
    await page.get_by_role("button", name="Show values").click()
    await expect(page.get_by_label("Value of GREETING")).to_have_value("hello")
    await page.get_by_label("Name of the variable").fill("WELCOME")
    await page.get_by_role("button", name="Hide values").click()
    await expect(page.get_by_label("Value of WELCOME")).to_have_value("")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    assert await kept(app) == {"WELCOME": "hello"}


async def test_what_did_not_come_is_asked_for_again(page: Page, app: App) -> None:
    asked = re.compile(rf"/api/apps/{app.id}/env")
    await page.route(asked, refusing(503))
    await page.goto(f"/app/{app.id}/environment")
    add = page.get_by_role("button", name="Add a variable")
    await expect(page.get_by_role("alert")).to_contain_text("A part of the platform is away")
    await expect(add).to_be_disabled()
    await page.unroute(asked)
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("alert")).to_have_count(0)
    await expect(add).to_be_enabled()


async def test_what_was_saved_goes_live_at_once(page: Page, app: App) -> None:
    """How an app becomes live takes longer, and is shown elsewhere."""
    told = ok(await app.api.get(f"/api/apps/{app.id}"))
    live = told | {"status": "LIVE", "live_deployment": LIVE}
    asked: list[Any] = []

    async def the_app(route: Route) -> None:
        await route.fulfill(json=live)

    async def deployment(route: Route) -> None:
        await route.fulfill(json=serves(app))

    async def deployments(route: Route) -> None:
        if route.request.method == "GET":
            await route.fulfill(json=[serves(app)])
        else:
            asked.append(route.request.post_data_json)
            await route.fulfill(status=202, json={"id": LIVE})

    await page.route(re.compile(rf"/api/apps/{app.id}$"), the_app)
    await page.route(re.compile(rf"/api/deployments/{LIVE}$"), deployment)
    await page.route(re.compile(rf"/api/apps/{app.id}/deployments"), deployments)
    await page.goto(f"/app/{app.id}/environment")
    await page.get_by_role("button", name="Add a variable").click()
    await page.get_by_label("Name of the variable").fill("GREETING")
    await page.get_by_label("Value of GREETING").fill("hello")
    deploy = page.get_by_role("button", name="Deploy now")
    await expect(deploy).to_have_count(0)
    await page.get_by_role("button", name="Save").click()
    await deploy.click()
    await expect(page.get_by_role("region", name=f"Deployment {LIVE}")).to_be_visible()
    await expect(page).to_have_url(re.compile(rf"/app/{app.id}$"))
    # Newer commits do not go live by the way.
    assert asked == [{"ref": COMMIT, "on_busy": "queue"}]


def serves(app: App) -> dict[str, Any]:
    at = "2026-01-01T00:00:00Z"
    return {
        "id": LIVE,
        "app_id": app.id,
        "kind": "deploy",
        "status": "SUCCEEDED",
        "ref": "main",
        "commit": COMMIT,
        "image": None,
        "url": app.url,
        "source_deployment": None,
        "version": 1,
        "created_at": at,
        "live_at": at,
        "ended_at": at,
        "error": None,
        "removed": [],
        "can_roll_back": False,
        "stages": [],
    }
