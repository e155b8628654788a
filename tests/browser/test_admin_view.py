"""What administrators see of everybody's work, with its place in Temporal's own pages."""

from __future__ import annotations

import re
from typing import cast
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser, Route, StorageState, expect

from ops.settings import Settings
from tests.browser.support import Window
from tests.support.apps import hello, slow_build
from tests.support.user import User, ok
from tests.support.workspace import OpenApp
from workflows import ids


async def test_placements_deployments_and_workspaces(
    browser: Browser, user: User, settings: Settings, administrator: StorageState
) -> None:
    app = await user.app(hello(), name="Seen by those who run it")
    await app.deployed()
    ok(await OpenApp(user, app.id).post("open"))
    email = ok(await user.api.get("/api/me"))["email"]
    async with Window.opened(browser, settings, administrator) as page:
        await page.goto("/admin")
        host = page.get_by_role("article", name="runtime-102")
        await expect(host.get_by_role("link", name="Temporal")).to_have_attribute(
            "href", settings.workflow_url(ids.node_workflow("runtime-102"))
        )
        await host.get_by_role("button", name="Details").click()
        placed = host.get_by_role("listitem").filter(has_text=email)
        await expect(placed).to_contain_text("Seen by those who run it")
        await expect(placed).to_contain_text("Live")

        await page.get_by_role("link", name="Workspaces").click()
        workspace = page.get_by_role("listitem").filter(has_text=email)
        await expect(workspace).to_contain_text("Open")
        await expect(workspace.get_by_role("link")).to_have_attribute(
            "href", settings.workflow_url(ids.workspace_workflow(user.id))
        )

        await app.push(slow_build(30))
        under_way = await app.deploy()
        await page.get_by_role("link", name="Deployments").click()
        await page.get_by_role("button", name="Under way").click()
        one = page.get_by_role("listitem").filter(has_text=f"#{under_way}")
        await expect(one).to_contain_text("Seen by those who run it")
        await expect(one.get_by_role("link")).to_have_attribute(
            "href", settings.workflow_url(ids.deployment_workflow(under_way))
        )
        ok(await app.api.post(f"/api/deployments/{under_way}/cancel"), 202)
        await expect(one).to_have_count(0)


@pytest.mark.parametrize(
    ("path", "key", "row"),
    [
        ("deployments", "id", {"app_name": "Shop", "kind": "deploy", "error": None}),
        ("workspaces", "user_id", {"node": "workspace-87", "run": "IDLE"}),
    ],
)
async def test_lists_go_on_where_a_page_of_them_ends(
    browser: Browser,
    settings: Settings,
    administrator: StorageState,
    path: str,
    key: str,
    row: dict[str, object],
) -> None:
    """As many as no test makes: the platform's answer is played."""
    common = {"status": "STOPPED", "email": "ada@tests.example", "temporal_url": "/"}
    times = dict.fromkeys(("created_at", "changed_at"), "2025-01-31T12:00:00.000Z")
    rows = [{key: number} | common | times | row for number in range(70, 0, -1)]
    away = True

    async def answer(route: Route) -> None:
        asked = parse_qs(urlsplit(route.request.url).query)
        before = int(asked.get("before", ["71"])[0])
        found = [one for one in rows if cast("int", one[key]) < before]
        if away and "before" in asked:
            await route.fulfill(status=503, json={})
        else:
            await route.fulfill(json=found[: int(asked["limit"][0])])

    async with Window.opened(browser, settings, administrator) as page:
        await page.route(re.compile(rf"/api/admin/{path}\?"), answer)
        await page.goto(f"/admin/{path}")
        entries, more = (
            page.locator(".entries > li"),
            page.get_by_role("button", name="Show earlier"),
        )
        await expect(entries).to_have_count(50)
        await more.click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await expect(entries).to_have_count(50)
        away = False
        await page.get_by_role("button", name="Try again").click()
        await expect(entries).to_have_count(70)
        await expect(more).to_have_count(0)
        await expect(page.get_by_role("alert")).to_have_count(0)
