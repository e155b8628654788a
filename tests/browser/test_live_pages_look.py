"""The pages of an app that is live, and dialogs over them: nothing serious for axe in either theme."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.support import Theme, Window, crowded, look, signed_in
from tests.support.apps import failing_build, node_app
from tests.support.platform import Platform
from tests.support.user import App, User, ok

NARROW = 860
FIGURES_MS = 45_000
"""Until what a new container uses has been looked at."""
MAKES_NOISE = """
const http = require("http");
console.log("\\u001b[32mlistening\\u001b[0m on", process.env.PORT);
console.log("\\u001b[31mnothing to cook\\u001b[0m \\u001b[1;33myet\\u001b[0m \\u001b[2mpatience\\u001b[0m");
http.createServer((req, res) => res.end("open")).listen(process.env.PORT);
"""


@pytest_asyncio.fixture(scope="module")
async def app(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    """Live, with lines in its log, a document and a variable; its newest deployment failed."""
    async with User.registered(platform.settings, tmp_path_factory.mktemp("live")) as user:
        app = await user.app(node_app(MAKES_NOISE), name="Shop 商店")
        await app.deployed()
        path = f"/api/apps/{app.id}"
        soup = {"document": {"name": "soup 汤", "price": 3, "with": ["bread", None, True]}}
        asked = {"collection": "dishes"}
        ok(await user.api.post(f"{path}/data/documents", params=asked, json=soup), 201)
        greeting = {"set": [{"key": "GREETING", "value": "hello"}], "unset": []}
        ok(await user.api.patch(f"{path}/env", json=greeting))
        await app.push({"Dockerfile": failing_build()["Dockerfile"]}, message="Build it 自己构建")
        await app.deployed()
        yield app


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
async def test_each_page(
    browser: Browser, app: App, axe: Path, pictures: Path | None, theme: Theme, width: int
) -> None:
    options: dict[str, Any] = {"color_scheme": theme, "viewport": {"width": width, "height": 800}}
    state = await signed_in(app.user)
    found: list[str] = []
    async with Window.opened(browser, app.user.settings, state, bypass_csp=True, **options) as page:

        async def seen(name: str) -> None:
            found.extend(await look(page, axe, pictures, f"live-{name}-{theme}-{width}"))
            # On a narrow screen the links to an app's parts are scrolled.
            if width > NARROW:
                found.extend(f"{name}: {one}" for one in await crowded(page))

        await page.goto(f"/app/{app.id}")
        await expect(page.get_by_role("alert").filter(has_text="Failed at")).to_be_visible()
        await seen("failed")
        await page.get_by_role("listitem").filter(has_text="serves now").click()
        await expect(page.get_by_text("Live at", exact=True)).to_be_visible()
        await expect(page.get_by_role("log")).to_contain_text("#")
        await seen("deployment")
        await page.goto(f"/app/{app.id}/logs")
        await expect(page.get_by_role("log")).to_contain_text("nothing to cook")
        await page.get_by_label("Search").fill("cook")
        await seen("logs")
        await page.goto(f"/app/{app.id}/figures")
        memory = page.locator("figure").filter(has_text="Memory")
        await expect(memory).to_contain_text("MB", timeout=FIGURES_MS)
        await seen("figures")
        await page.goto(f"/app/{app.id}/environment")
        await page.get_by_role("button", name="Show values").click()
        await expect(page.get_by_label("Value of GREETING")).to_have_value("hello")
        await seen("environment")
        await of_data(page, app)
        await seen("document")
        await page.get_by_role("dialog").get_by_label("Document").fill("{")
        await page.get_by_role("dialog").get_by_role("button", name="Save").click()
        await expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
        await seen("document-wrong")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await seen("documents")
        await page.get_by_role("button", name="Delete document").click()
        await expect(page.get_by_role("alertdialog")).to_be_visible()
        await seen("document-delete")
        await page.goto(f"/app/{app.id}/settings")
        await page.get_by_role("button", name="Delete this app").click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        await seen("delete")
        await of_account(page)
        await seen("token")
        await page.get_by_role("button", name="Remove nightly").last.click()
        await expect(page.get_by_role("alertdialog")).to_be_visible()
        await seen("token-remove")
        for source in ("A Git address", "A zip file"):
            await page.goto("/apps")
            await page.get_by_role("button", name="New app").click()
            await page.get_by_role("button", name=source).click()
            await page.get_by_role("button", name="Create app").click()
            await expect(page.get_by_role("dialog").get_by_role("alert").first).to_be_visible()
            await seen(source.replace(" ", "-"))
    assert found == [], "\n".join(found)


async def of_data(page: Page, app: App) -> None:
    """With a document open."""
    await page.goto(f"/app/{app.id}/data")
    await page.get_by_role("button", name="Edit document").click()
    await expect(page.get_by_role("dialog").get_by_label("Document")).not_to_have_value("")


async def of_account(page: Page) -> None:
    """With a token that was just made."""
    await page.goto("/account")
    tokens = page.locator("section").filter(has=page.get_by_role("heading", name="API tokens"))
    await tokens.get_by_label("Name").fill("nightly")
    await tokens.get_by_role("button", name="Make token").click()
    await expect(tokens.get_by_role("status")).to_contain_text("shown only now")
