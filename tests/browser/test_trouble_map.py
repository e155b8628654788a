"""The trouble map on a Chinese page: all that it tells is told in Chinese."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, StorageState, expect

from ops.settings import Settings
from ops.troubles import HOPS
from tests.browser.support import Window
from tests.browser.test_forms import is_wrong
from tests.support.user import User, ok

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest_asyncio.fixture
async def trouble_map(
    browser: Browser, settings: Settings, administrator: StorageState
) -> AsyncIterator[Page]:
    async with Window.opened(browser, settings, administrator, locale="zh-CN") as page:
        await page.goto("/admin/trouble")
        yield page


def hop(page: Page, title: str) -> Locator:
    """By its exact title: the reasons of other hops name it too."""
    return page.get_by_role("listitem").filter(has=page.get_by_text(title, exact=True))


async def untranslated(page: Page) -> list[str]:
    """Each title, reason and next step without a Chinese character."""
    await expect(page.locator(".hops > li")).to_have_count(len(HOPS))
    told = await page.locator(".hops .what strong, .hops .what p").all_inner_texts()
    assert len(told) >= 3 * len(HOPS)
    return [text for text in told if not CHINESE.search(text)]


async def test_a_platform_is_told_of_in_chinese(trouble_map: Page) -> None:
    assert await untranslated(trouble_map) == []
    await expect(hop(trouble_map, "MariaDB，平台的记录").locator(".reason")).to_have_text("有响应")
    await expect(hop(trouble_map, "应用的记录").locator(".reason")).to_have_text("没有指定应用")


async def test_an_app_that_was_never_deployed_is_told_of_in_chinese(
    trouble_map: Page, user: User
) -> None:
    app = await user.app({"README.md": "x"}, name="Shop")
    await trouble_map.get_by_label("应用编号或名称").fill(str(app.id))
    await trouble_map.get_by_role("button", name="重新检查").click()
    record = hop(trouble_map, "应用的记录")
    await expect(record.get_by_role("img", name="异常")).to_be_visible()
    await expect(record.locator(".reason")).to_contain_text("从未上线")
    await expect(record).to_contain_text("下一步： 部署应用，或启动它。")
    behind = hop(trouble_map, "应用的容器").locator(".reason")
    await expect(behind).to_have_text("未检查：“应用的记录”异常")
    await expect(hop(trouble_map, "应用最近一次部署").locator(".reason")).to_have_text("从未部署过")
    assert await untranslated(trouble_map) == []


async def test_an_app_is_named_by_its_name_and_what_is_none_is_told_at_the_field(
    trouble_map: Page, user: User
) -> None:
    name = f"Shop {secrets.token_hex(6)}"
    ok(await user.api.post("/api/apps", json={"name": name}), 201)
    field = trouble_map.get_by_label("应用编号或名称")
    await field.fill(name)
    await field.press("Enter")
    await expect(hop(trouble_map, "应用的记录").locator(".reason")).to_contain_text("从未上线")
    await field.fill("no such app")
    await field.press("Enter")
    await is_wrong(field, "没有编号或名称为 no such app 的应用。")
    await expect(trouble_map.get_by_role("alert")).to_have_count(1)
