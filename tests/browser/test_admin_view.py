"""What administrators see of everybody's work, with its place in Temporal's own pages."""

from __future__ import annotations

from playwright.async_api import Browser, StorageState, expect

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
