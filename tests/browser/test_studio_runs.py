"""What is run in the studio: one task after the other, and why one is not, where the person is."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.studio import OPENS_MS, Studio
from tests.browser.support import Window, signed_in
from tests.support.platform import Platform
from tests.support.user import App, User, ok
from tests.support.workspace import OpenApp, run_is

KEPT = 20_000
"""Lines of a log that a page holds."""
LOG = re.compile(r"/api/workspace/run/log")
RUN = re.compile(r"/api/workspace/run$")


@dataclass
class Apps:
    """Of one user, whose workspace has one of them open at a time. ``empty`` holds nothing to run."""

    empty: App
    site: App


@pytest_asyncio.fixture(scope="module")
async def apps(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Apps]:
    async with User.registered(platform.settings, tmp_path_factory.mktemp("runs")) as user:
        empty = await user.app({"README.md": "# Words\n"}, name="Words")
        site = await user.app({"index.html": "<h1>Home</h1>"}, name="The site")
        yield Apps(empty, site)


@pytest_asyncio.fixture
async def page(browser: Browser, apps: Apps) -> AsyncIterator[Page]:
    user = apps.site.user
    async with Window.opened(browser, user.settings, await signed_in(user)) as page:
        yield page


async def running(page: Page, app: App) -> Studio:
    """The page of an app that is being developed."""
    ok(await OpenApp(app.user, app.id).post("open"))
    ok(await OpenApp(app.user, app.id).post("run", task="dev"))
    studio = await Studio.opened(page, app.id)
    await expect(studio.preview.get_by_role("heading", name="Home")).to_be_visible(timeout=OPENS_MS)
    return studio


async def test_an_app_with_nothing_to_run_is_no_failure(page: Page, apps: Apps) -> None:
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if LOG.search(one.url) else None)
    studio = await Studio.opened(page, apps.empty.id)
    preview = page.get_by_role("region", name="Preview")
    # What is known of it is there after a reload too.
    for again in (False, True):
        if again:
            asked.clear()
            await page.reload()
            await studio.is_there()
        await expect(preview.get_by_role("heading", name="Nothing to run yet")).to_be_visible()
        await expect(
            preview.get_by_text("Nothing here can be run. Add package.json")
        ).to_be_visible()
        runs = page.get_by_role("group", name="What runs").get_by_role("status")
        await expect(runs).to_have_text("Nothing to run yet")
        await expect(studio.alerts).to_have_count(0)
        await expect(studio.corner).to_have_count(0)
    assert asked == []
    await preview.get_by_role("button", name="New file").click()
    await expect(page.get_by_role("textbox", name="New file")).to_be_focused()


async def test_a_refusal_is_told_where_the_preview_is_hidden(page: Page, apps: Apps) -> None:
    studio = await Studio.opened(page, apps.empty.id)
    await page.get_by_role("button", name="Preview", exact=True).click()
    await expect(page.get_by_role("region", name="Preview")).to_have_count(0)
    await page.get_by_role("button", name="Run", exact=True).click()
    await expect(studio.corner).to_contain_text("Nothing here can be run")


async def test_a_task_of_another_app_is_named_by_it(page: Page, apps: Apps) -> None:
    studio = await Studio.opened(page, apps.empty.id)
    site = OpenApp(apps.site.user, apps.site.id)
    ok(await site.post("run", task="dev"))
    await studio.command("Install packages")
    await expect(studio.corner).to_contain_text("dev of The site is running")
    # Nobody asked for its end.
    await run_is(apps.site.user, "RUNNING")


async def test_another_task_takes_the_place_of_what_runs(page: Page, apps: Apps) -> None:
    """A page has no build: what that says is told, and the server has made room for it."""
    studio = await running(page, apps.site)
    await page.get_by_role("button", name="Other tasks").click()
    await page.get_by_role("menuitem", name="Build").click()
    preview = page.get_by_role("region", name="Preview")
    await expect(preview.get_by_role("heading", name="It did not start")).to_be_visible()
    await expect(preview.get_by_text("This app has no such step.")).to_be_visible()
    await expect(studio.corner).to_have_count(0)
    failed = await run_is(apps.site.user, "FAILED")
    assert (failed["task"], failed["report"]["code"]) == ("build", "run_no_step")


async def test_packages_are_installed_while_the_server_runs(browser: Browser, user: User) -> None:
    server = "require('http').createServer((_, a) => a.end('<h1>Home</h1>')).listen(3000)"
    package = {"name": "x", "version": "1.0.0", "scripts": {"dev": "node server.js"}}
    app = await user.app({"package.json": json.dumps(package), "server.js": server})
    async with Window.opened(browser, user.settings, await signed_in(user)) as page:
        studio = await running(page, app)
        await studio.command("Install packages")
        runs = page.get_by_role("group", name="What runs")
        await expect(runs.get_by_role("status")).to_have_text("Done: install", timeout=OPENS_MS)
        await runs.get_by_role("button", name="Run", exact=True).click()
        await expect(studio.preview.get_by_role("heading", name="Home")).to_be_visible()


async def test_a_stop_that_fails_is_told(page: Page, apps: Apps) -> None:
    studio = await running(page, apps.site)

    async def away(route: Route) -> None:
        problem = {"type": "about:blank", "title": "", "status": 503, "detail": "gone fishing"}
        if route.request.method == "DELETE":
            await route.fulfill(status=503, json=problem)
        else:
            await route.fallback()

    await page.route(RUN, away)
    await page.get_by_role("button", name="Stop", exact=True).click()
    await expect(studio.corner).to_contain_text("gone fishing")
    await expect(studio.preview.get_by_role("heading", name="Home")).to_be_visible()


async def test_lines_that_are_gone_are_not_promised(page: Page, apps: Apps) -> None:
    """Of output that is followed there is nothing to download but what the page has."""
    lines = json.dumps({"lines": ["one of many"] * (KEPT + 5000)})
    body = f"event: lines\ndata: {lines}\n\nevent: end\ndata: {{}}\n\n"

    async def much(route: Route) -> None:
        await route.fulfill(content_type="text/event-stream", body=body)

    await page.route(LOG, much)
    await running(page, apps.site)
    told = page.get_by_text("earlier lines are no longer shown here")
    await expect(told).to_have_text("5000 earlier lines are no longer shown here.")
