"""The account's page: what it lets others in with, and how the studio looks and speaks."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
from playwright.async_api import Browser, Locator, Page, Route, expect

from ops.settings import Settings
from tests.browser.support import Window, look, refusing, signed_in
from tests.support.user import PASSWORD, App, User, ok, run

CLIPBOARD = ["clipboard-read", "clipboard-write"]


def card(page: Page, title: str) -> Locator:
    return page.locator("section").filter(has=page.get_by_role("heading", name=title))


async def removed(page: Page, entries: Locator, name: str, title: str) -> None:
    """Only once somebody has said so twice."""
    remove = entries.filter(has_text=name).get_by_role("button", name=f"Remove {name}")
    confirm = page.get_by_role("alertdialog", name=title)
    await remove.click()
    await confirm.get_by_role("button", name="Cancel").click()
    await expect(confirm).to_have_count(0)
    await expect(entries.filter(has_text=name)).to_be_visible()
    await remove.click()
    await confirm.get_by_role("button", name="Remove", exact=True).click()
    await expect(entries.filter(has_text=name)).to_have_count(0)


async def answer_to(user: User, token: str) -> httpx.Response:
    """What the API says to a script that has the token, and nothing else."""
    host = {"Host": user.api.headers["Host"], "Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=user.settings.entry_url, trust_env=False) as script:
        return await script.get("/api/me", headers=host)


async def test_a_token_is_shown_once_works_and_is_removed(browser: Browser, user: User) -> None:
    state = await signed_in(user)
    async with Window.opened(browser, user.settings, state, permissions=CLIPBOARD) as page:
        await page.goto("/account")
        tokens = card(page, "API tokens")
        entries = tokens.get_by_role("listitem")
        await tokens.get_by_label("Name").fill("nightly <b>script</b>")
        await tokens.get_by_role("combobox", name="Valid for").click()
        await page.get_by_role("option", name="30 days").click()
        await tokens.get_by_role("button", name="Make token").click()
        told = tokens.get_by_role("status")
        await expect(told).to_contain_text("nightly <b>script</b>. It is shown only now")
        await expect(tokens.get_by_label("Name")).to_have_value("")
        made = entries.filter(has_text="nightly <b>script</b>")
        await expect(made).to_contain_text("Valid until")
        await told.get_by_role("button", name="Copy: API token").click()
        await expect(told.get_by_role("button", name="Copied")).to_be_visible()
        token = await page.evaluate("navigator.clipboard.readText()")
        await expect(told.locator("code")).to_have_text(token)
        assert ok(await answer_to(user, token))["id"] == user.id

        await page.reload()
        await expect(made).to_be_visible()
        await expect(page.get_by_text(token)).to_have_count(0)
        await removed(page, entries, "nightly <b>script</b>", "Remove the token nightly")
        assert (await answer_to(user, token)).status_code == 401


async def test_a_token_is_copied_where_the_browser_forbids_its_clipboard(
    browser: Browser, user: User
) -> None:
    """As on an address without TLS, where pages have no ``navigator.clipboard``."""
    async with Window.opened(browser, user.settings, await signed_in(user)) as page:
        await page.add_init_script(
            "Object.defineProperty(navigator, 'clipboard', {value: undefined})"
        )
        await page.goto("/account")
        tokens = card(page, "API tokens")
        await tokens.get_by_label("Name").fill("laptop")
        await tokens.get_by_role("button", name="Make token").click()
        copy = tokens.get_by_role("button", name="Copy: API token")
        await copy.click()
        await expect(tokens.get_by_role("button", name="Copied")).to_be_focused()
        await tokens.get_by_label("Name").press("Control+KeyV")
        token = await tokens.get_by_role("status").locator("code").inner_text()
        await expect(tokens.get_by_label("Name")).to_have_value(token)


async def test_a_key_is_added_pulls_and_is_removed(page: Page, user: User, tmp_path: Path) -> None:
    app = App(user, ok(await user.api.post("/api/apps", json={"name": "Shop"}), 201))
    key = tmp_path / "desk"
    await run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada@desk", "-f", str(key))
    ssh = user.git_environment()["GIT_SSH_COMMAND"].replace(str(user.home / "id"), str(key))
    pulls = ("git", "ls-remote", app.repo_ssh_url)
    environment = user.git_environment() | {"GIT_SSH_COMMAND": ssh}

    await page.goto("/account")
    keys = card(page, "SSH keys")
    entries = keys.get_by_role("listitem")
    await expect(entries).to_have_count(1)
    await keys.get_by_label("Public key").fill(key.with_suffix(".pub").read_text())
    # Its last word is its name, unless somebody knows a better one.
    await keys.get_by_label("Public key").blur()
    await expect(keys.get_by_label("Name")).to_have_value("ada@desk")
    await keys.get_by_role("button", name="Add key").click()
    await expect(entries.filter(has_text="ada@desk")).to_contain_text(re.compile("SHA256:"))
    await expect(keys.get_by_label("Public key")).to_have_value("")
    await run(*pulls, env=environment)

    await removed(page, entries, "ada@desk", "Remove the key ada@desk?")
    await expect(entries).to_have_count(1)
    refused = await run("sh", "-c", f"{' '.join(pulls)} 2>&1 || echo refused", env=environment)
    assert refused.rstrip().endswith("refused")


async def test_a_new_password_signs_everybody_else_out(page: Page, user: User) -> None:
    given = {"email": ok(await user.api.get("/api/me"))["email"], "password": PASSWORD}
    elsewhere = ok(await user.api.post("/api/auth/login", json=given))["token"]
    user.api.cookies.clear()
    new = "a longer staple for the horse"
    await page.goto("/account")
    own = card(page, "Password")
    fields = [own.get_by_label(label) for label in ("Current password", "New password")]
    change = own.get_by_role("button", name="Change password")

    async def are_wrong(*what: str) -> None:
        for field, said in zip(fields, what, strict=True):
            await expect(field).to_have_accessible_description(said)

    for field, kind in zip(fields, ("current-password", "new-password"), strict=True):
        await expect(field).to_have_attribute("autocomplete", kind)
    await change.click()
    await are_wrong("The password is needed", "At least 10 characters")
    await fields[0].fill("not mine at all")
    await fields[1].fill(new)
    await change.click()
    await are_wrong("The password is wrong.", "At least 10 characters")
    await expect(fields[0]).to_have_attribute("aria-invalid", "true")
    await expect(fields[1]).to_have_value(new)
    await fields[0].fill(PASSWORD)
    await change.click()
    await expect(own.get_by_role("status")).to_contain_text("Your password is changed")
    for field in fields:
        await expect(field).to_have_value("")
    assert (await answer_to(user, elsewhere)).status_code == 401
    back = {"current": new, "new": PASSWORD}
    ok(await user.api.post("/api/auth/password", json=back), 204)


async def test_no_token_yet_and_a_list_that_does_not_come(page: Page) -> None:
    await page.goto("/account")
    tokens = card(page, "API tokens")
    await expect(tokens).to_contain_text("No token yet.")

    # Made, and the list of those that there are did not come.
    async def away(route: Route) -> None:
        await (refusing(503)(route) if route.request.method == "GET" else route.continue_())

    await page.route("**/api/auth/tokens", away)
    await tokens.get_by_label("Name").fill("nightly")
    await tokens.get_by_role("button", name="Make token").click()
    await expect(tokens.get_by_role("alert")).to_contain_text("A part of the platform is away")
    await page.unroute("**/api/auth/tokens")
    await tokens.get_by_role("button", name="Try again").click()
    await expect(tokens.get_by_role("listitem")).to_contain_text("nightly")
    await expect(tokens.get_by_text("No token yet.")).to_have_count(0)


async def test_theme_and_language_are_remembered(page: Page) -> None:
    await page.goto("/account")
    html = page.locator("html")
    await expect(html).to_have_attribute("lang", "en")
    light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.get_by_role("group", name="Theme").get_by_role("button", name="Dark").click()
    await expect(page.locator("body")).not_to_have_css("background-color", light)
    dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.get_by_role("group", name="Language").get_by_role("button", name="中文").click()
    await expect(page.get_by_role("heading", name="账号", exact=True)).to_be_visible()

    # By this window, and by the next.
    for other in (page, await page.context.new_page()):
        await other.goto("/account")
        await expect(other.get_by_role("heading", name="账号", exact=True)).to_be_visible()
        await expect(other.locator("html")).to_have_attribute("lang", "zh-CN")
        await expect(other.locator("body")).to_have_css("background-color", dark)
        theme = other.get_by_role("group", name="主题").get_by_role("button", name="深色")
        await expect(theme).to_have_attribute("aria-pressed", "true")

    await page.get_by_role("group", name="主题").get_by_role("button", name="浅色").click()
    await page.get_by_role("group", name="语言").get_by_role("button", name="English").click()
    await page.reload()
    await expect(page.get_by_role("heading", name="Account", exact=True)).to_be_visible()
    await expect(page.locator("body")).to_have_css("background-color", light)


async def test_a_sign_out_that_fails_says_so_and_can_be_asked_for_again(page: Page) -> None:
    await page.goto("/account")
    menu = page.get_by_role("button", name=re.compile("^Your account:"))

    async def away(route: Route) -> None:
        await route.abort()

    await page.route("**/api/auth/logout", away)
    await menu.click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await expect(page.locator(".p-toast")).to_contain_text("The studio does not answer")
    await expect(page.get_by_role("heading", name="Account", exact=True)).to_be_visible()
    await page.unroute("**/api/auth/logout")
    await menu.click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()


async def test_it_is_deleted_with_everything_of_it(
    browser: Browser, settings: Settings, tmp_path: Path, axe: Path, pictures: Path | None
) -> None:
    async with User.registered(settings, tmp_path) as leaver:
        await leaver.app({"index.html": "<h1>Bye</h1>"})
        email = ok(await leaver.api.get("/api/me"))["email"]
        state = await signed_in(leaver)
        found: list[str] = []
        async with Window.opened(browser, settings, state, bypass_csp=True) as page:
            await page.goto("/account")
            await card(page, "Delete account").get_by_role("button").click()
            asked = page.get_by_role("dialog", name="Delete this account?")
            delete = asked.get_by_role("button", name="Delete account")
            password = asked.get_by_label("Password", exact=True)
            await password.fill("not this one")
            await asked.get_by_label(f"Type {email}").fill("somebody@else.example")
            await expect(delete).to_be_disabled()
            await asked.get_by_label(f"Type {email}").fill(email)
            found += await look(page, axe, pictures, "account-delete")
            await delete.click()
            await expect(asked.get_by_text("The password is wrong")).to_be_visible()
            await password.fill(PASSWORD)
            await delete.click()
            done = page.get_by_role("heading", name="Your account is deleted")
            await expect(done).to_be_visible(timeout=60_000)
            await expect(page.get_by_role("listitem").filter(has_text="repository")).to_have_count(
                1
            )
            await page.reload()
            await expect(done).to_be_visible()
            found += await look(page, axe, pictures, "account-deleted")
            await page.goto("/account")
            await expect(page.get_by_role("heading", name="Create your account")).to_be_visible()
        assert found == []
        answer = await leaver.api.post(
            "/api/auth/login", json={"email": email, "password": PASSWORD}
        )
        assert answer.status_code == 401


async def test_whoever_comes_to_a_deletion_without_a_receipt_is_told_so(visitor: Page) -> None:
    await visitor.goto("/account/deletion")
    await expect(visitor.get_by_text("knows of no account")).to_be_visible()
    await visitor.get_by_role("link", name="Create an account").click()
    await expect(visitor.get_by_role("heading", name="Create your account")).to_be_visible()
