"""Every page: nothing serious for axe in either theme, usable by keyboard and on a narrow screen.

With ``STUDIO_SCREENSHOTS=folder`` the pictures of the README's tour are taken on the way.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from ops.settings import Settings, read_secret
from tests.browser.support import LOOKS, Theme, Window, look, refusing, signed_in
from tests.support.apps import failing_build
from tests.support.user import PASSWORD, App, User, ok

APP_PARTS = ("", "logs", "environment", "figures", "data", "settings")


@pytest.mark.parametrize(("theme", "locale", "width"), LOOKS)
async def test_pages_of_a_person(
    browser: Browser,
    user: User,
    axe: Path,
    pictures: Path | None,
    theme: Theme,
    locale: str,
    width: int,
) -> None:
    app = await user.app(failing_build(), name="Shop")
    await app.deployed()
    options: dict[str, Any] = {
        "color_scheme": theme,
        "locale": locale,
        "viewport": {"width": width, "height": 800},
        "bypass_csp": True,
    }
    mark = f"{locale}-{theme}"
    found: list[str] = []
    async with Window.opened(browser, user.settings, **options) as page:
        for path in ("/sign-in", "/sign-up", "/nowhere"):
            await page.goto(path)
            found += await look(page, axe, pictures, f"{path[1:]}-{mark}")
    async with Window.opened(browser, user.settings, await signed_in(user), **options) as page:
        for path in ("/apps", "/account", *(f"/app/{app.id}/{part}" for part in APP_PARTS)):
            await page.goto(path)
            if path == f"/app/{app.id}/":
                await expect(page.get_by_role("alert")).to_be_visible()
            found += await look(
                page,
                axe,
                pictures,
                f"{path.strip('/').replace(f'/{app.id}', '').replace('/', '-')}-{mark}",
            )
        await page.goto("/apps")
        new = "New app" if locale == "en-US" else "新建应用"
        await page.get_by_role("button", name=new).click()
        await expect(page.get_by_role("radio").first).to_be_attached()
        found += await look(page, axe, pictures, f"new-app-{mark}")
    assert found == []


async def test_pages_of_an_administrator(
    browser: Browser, settings: Settings, axe: Path, pictures: Path | None
) -> None:
    found: list[str] = []
    async with Window.opened(browser, settings, bypass_csp=True, color_scheme="dark") as page:
        await page.goto("/sign-in")
        await page.get_by_label("Email").fill(settings.admin_email)
        password = read_secret(settings, "admin-password").get_secret_value()
        await page.get_by_label("Password", exact=True).fill(password)
        await page.keyboard.press("Enter")
        await page.get_by_role("link", name="Administration").click()
        host = page.get_by_role("article", name="runtime-102")
        await expect(host.get_by_text("Up", exact=True)).to_be_visible()
        await host.get_by_role("button", name="Details").click()
        await expect(host.get_by_role("img", name="Processor")).to_be_visible()
        found += await look(page, axe, pictures, "admin-hosts")
        await host.get_by_role("button", name="Drain").click()
        await expect(host.get_by_text("Draining")).to_be_visible()
        await host.get_by_role("button", name="Take new work again").click()
        await expect(host.get_by_text("Up", exact=True)).to_be_visible()
        for part in ("Deployments", "Workspaces", "Trouble map"):
            await page.get_by_role("link", name=part).click()
            shown = page.get_by_role("listitem").or_(page.get_by_text("There are none."))
            await expect(shown.first).to_be_visible()
            found += await look(page, axe, pictures, f"admin-{part.split()[0].lower()}")
        if pictures:
            await page.get_by_role("button", name="中文").click()
            for part in ("", "deployments", "workspaces", "trouble"):
                await page.goto(f"/admin/{part}")
                found += await look(page, axe, pictures, f"admin-{part or 'hosts'}-zh-CN")
    assert found == []


async def test_by_keyboard_alone(page: Page) -> None:
    """From the page's beginning to a new app's dialog and out of it again, without a mouse."""
    await page.goto("/apps")
    await expect(page.get_by_text("Your first app")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="New app")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Name")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_a_session_that_ended_loses_nothing(page: Page, user: User) -> None:
    """The password is asked for over the page; what was typed is still there."""
    app: App = await user.app({"README.md": "x"})
    await page.goto(f"/app/{app.id}/settings")
    await page.get_by_label("Name").fill("Typed before")
    tokens = ok(await user.api.post("/api/auth/login", json=await credentials(user)))
    ok(await user.api.post("/api/auth/logout"), 204)
    user.api.headers["Authorization"] = f"Bearer {tokens['token']}"
    await page.get_by_role("button", name="Save").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Your session has ended")
    await dialog.get_by_label("Password", exact=True).fill("wrong wrong wrong")
    await dialog.get_by_role("button", name="Sign in", exact=True).click()
    await expect(dialog.get_by_text("wrong")).to_be_visible()
    await dialog.get_by_label("Password", exact=True).fill((await credentials(user))["password"])
    await dialog.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_label("Name")).to_have_value("Typed before")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="Typed before")).to_be_visible()


async def test_somebody_else_signs_in_where_a_session_ended(page: Page) -> None:
    for what in ("ssh-keys", "auth/logout"):
        await page.route(f"**/api/{what}", refusing(401))
    await page.goto("/account")
    await page.get_by_role("dialog").get_by_role("button", name="Sign in as somebody else").click()
    await expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_label("Email")).to_have_value("")


async def test_who_may_have_no_more_apps_is_told_why(page: Page, user: User) -> None:
    ok(await user.api.post("/api/apps", json={"name": "Shop"}), 201)
    me = ok(await user.api.get("/api/me"))
    me["limits"]["apps"] = 1

    async def limited(route: Route) -> None:
        await route.fulfill(json=me)

    await page.route("**/api/me", limited)
    await page.goto("/apps")
    new = page.get_by_role("button", name="New app")
    await expect(new).to_be_disabled()
    await expect(new).to_have_accessible_description(
        "You have 1 apps, which is the limit. Delete one that you no longer need."
    )


async def credentials(user: User) -> dict[str, str]:
    return {"email": ok(await user.api.get("/api/me"))["email"], "password": PASSWORD}
