"""What a form gets wrong is said beside its field, in the language of who fills it in."""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.support import Window, signed_in
from tests.support.user import PASSWORD, User, ok

CHINESE: dict[str, Any] = {"locale": "zh-CN"}


async def is_wrong(field: Locator, what: str | re.Pattern[str]) -> None:
    """The field itself is marked, and what a screen reader says of it is this."""
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_have_accessible_description(what)


async def test_of_people_who_are_not_signed_in(browser: Browser, user: User) -> None:
    email = ok(await user.api.get("/api/me"))["email"]
    async with Window.opened(browser, user.settings, **CHINESE) as page:
        await page.goto("/sign-up")
        await page.get_by_label("邮箱").fill("ada@b")
        await page.get_by_label("密码", exact=True).fill(PASSWORD)
        await page.keyboard.press("Enter")
        await is_wrong(page.get_by_label("邮箱"), "邮箱地址无效，格式如 ada@example.org。")
        await page.get_by_label("邮箱").fill(email)
        await page.keyboard.press("Enter")
        await is_wrong(page.get_by_label("邮箱"), "此邮箱已注册，请直接登录。")
        await expect(page.get_by_label("密码", exact=True)).to_have_value(PASSWORD)
        await page.locator("#main").get_by_role("link", name="登录").click()
        await expect(page.get_by_role("heading", name="欢迎回来")).to_be_visible()
        await page.get_by_label("邮箱").fill(email)
        await page.get_by_label("密码", exact=True).fill("no password of theirs")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("邮箱或密码不正确。")


async def test_of_the_account_and_of_apps(browser: Browser, user: User) -> None:
    app = ok(await user.api.post("/api/apps", json={"name": "Shop"}), 201)
    state = await signed_in(user)
    async with Window.opened(browser, user.settings, state, **CHINESE) as page:
        await page.goto("/account")
        await page.get_by_label("公钥").fill("ssh-ed25519 AAAA ada@laptop")
        await page.get_by_role("button", name="添加密钥").click()
        await is_wrong(page.get_by_label("公钥"), "SSH 公钥不完整或已被改动。")
        await of_a_new_app(page)
        await page.goto(f"/app/{app['id']}/settings")
        await page.get_by_label("名称").fill("a\u200eb")
        await page.get_by_role("button", name="保存").click()
        await is_wrong(page.get_by_label("名称"), "名称中含有无法显示的字符：U+200E。")
        await page.goto(f"/app/{app['id']}/environment")
        for key in ("GOOD", "PORT"):
            await page.get_by_role("button", name="添加变量").click()
            await page.get_by_label("变量名").last.fill(key)
        await page.get_by_role("button", name="保存").click()
        await is_wrong(page.get_by_label("变量名").last, "PORT 由平台设置，请使用其他名称。")
        await expect(page.get_by_label("变量名").first).not_to_have_attribute(
            "aria-invalid", "true"
        )
        await expect(page.get_by_role("alert")).to_have_count(1)
        await page.get_by_label("变量名").last.fill("PORTAL")
        await page.get_by_role("button", name="保存").click()
        await expect(page.get_by_text("已保存")).to_be_visible()


async def of_a_new_app(page: Page) -> None:
    await page.goto("/apps")
    await page.get_by_role("button", name="新建应用").click()
    await page.get_by_label("名称").fill("Elsewhere")
    await page.get_by_role("button", name="Git 地址").click()
    address = page.get_by_label("公开仓库的地址")
    await address.fill("https://git.internal/ada/shop.git")
    await page.get_by_role("button", name="创建应用").click()
    await is_wrong(address, "git.internal 不在公共互联网上。")
    await expect(page.get_by_label("名称")).to_have_value("Elsewhere")
    await page.keyboard.press("Escape")


async def test_why_an_import_failed_is_said_on_the_page_of_its_app(
    browser: Browser, user: User
) -> None:
    given = {"name": "Shop", "git_url": "https://git.nobody.invalid/ada/shop.git"}
    app = ok(await user.api.post("/api/apps", json=given), 201)
    state = await signed_in(user)
    async with Window.opened(browser, user.settings, state, **CHINESE) as page:
        await page.goto(f"/app/{app['id']}")
        said = page.get_by_role("alert")
        await expect(said).to_contain_text("无法获取源码")
        await expect(said).to_contain_text("主机 git.nobody.invalid 不存在，请检查地址。")
