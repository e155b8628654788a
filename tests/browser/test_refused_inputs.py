"""What the platform refuses is said in Chinese beside the field in which it was typed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.studio import OPENS_MS
from tests.browser.support import Window, signed_in
from tests.browser.test_forms import CHINESE, is_wrong
from tests.support.apps import hello
from tests.support.platform import Platform
from tests.support.user import App, User, ok
from tests.support.workspace import OpenApp

MAX_LINKS = 50
LONGEST_MESSAGE = 65_536
UNSHOWABLE = "laptop\x01"

Gives = Callable[[Page], Awaitable[Locator]]
"""Fills a form and sends it; answers the field that is wrong."""


@pytest_asyncio.fixture(scope="module")
async def app(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    """A live app, so that it has a database, with a document in it."""
    async with User.registered(platform.settings, tmp_path_factory.mktemp("refused")) as user:
        app = await user.app(hello() | {"menu.txt": "soup\n"})
        await app.deployed()
        path = f"/api/apps/{app.id}/data/documents"
        given = {"document": {"name": "soup"}}
        ok(await user.api.post(path, params={"collection": "dishes"}, json=given), 201)
        yield app


@pytest_asyncio.fixture(scope="module")
async def page(browser: Browser, app: App) -> AsyncIterator[Page]:
    """One window for all of them: each begins with a page that is loaded anew."""
    state = await signed_in(app.user)
    async with Window.opened(browser, app.user.settings, state, **CHINESE) as page:
        yield page


async def sent(within: Page | Locator, label: str, text: str, button: str) -> Locator:
    field = within.get_by_label(label, exact=True)
    await field.fill(text)
    await within.get_by_role("button", name=button, exact=True).click()
    return field


async def token(page: Page) -> Locator:
    tokens = page.locator("section").filter(has=page.get_by_role("heading", name="API 令牌"))
    return await sent(tokens, "名称", UNSHOWABLE, "创建令牌")


async def key(page: Page) -> Locator:
    keys = page.locator("section").filter(has=page.get_by_role("heading", name="SSH 密钥"))
    await keys.get_by_label("公钥").fill("ssh-ed25519 AAAA ada@laptop")
    return await sent(keys, "名称", UNSHOWABLE, "添加密钥")


async def branch(page: Page) -> Locator:
    return await sent(page, "分支", "no..branch", "部署")


async def variable(page: Page) -> Locator:
    await page.get_by_role("button", name="添加变量").click()
    return await sent(page, "变量名", "9TIMES", "保存")


async def value(page: Page) -> Locator:
    await page.get_by_role("button", name="添加变量").click()
    await page.get_by_label("变量名").fill("GREETING")
    return await sent(page, "GREETING 的值", "x" * (32 * 1024 + 1), "保存")


async def condition(page: Page) -> Locator:
    return await sent(page, "筛选", "[1]", "查询")


async def operator(page: Page) -> Locator:
    return await sent(page, "筛选", '{"$where": "1"}', "查询")


async def order(page: Page) -> Locator:
    return await sent(page, "排序", '{"name": 2}', "查询")


def document(text: str) -> Gives:
    async def give(page: Page) -> Locator:
        await page.get_by_role("button", name="新建文档").click()
        return await sent(page.get_by_role("dialog"), "文档", text, "保存")

    return give


REFUSED: dict[str, tuple[str, Gives, str]] = {
    "token": ("/account", token, "含有此处不允许的字符"),
    "key": ("/account", key, "含有此处不允许的字符"),
    "branch": ("/app/{id}", branch, "不是有效的分支、标签或提交，分支名如 main。"),
    "variable": (
        "/app/{id}/environment", variable, "只能包含字母、数字和 _，且不能以数字开头"
    ),
    "value": ("/app/{id}/environment", value, "GREETING 的值超过 32 KB"),
    "condition": ("/app/{id}/data", condition, "不是 JSON 对象"),
    "operator": ("/app/{id}/data", operator, "这里不能使用运算符 $where。"),
    "order": ("/app/{id}/data", order, "name 只能按 1（升序）或 -1（降序）排序。"),
    "no json": ("/app/{id}/data", document('{"a": }'), "不是有效的 JSON"),
    "document": (
        "/app/{id}/data", document('{\n"a": 1,}'), "不是有效的 JSON：请检查第 2 行第 8 列"
    ),
    "no object": ("/app/{id}/data", document("[1]"), "文档必须是以 { 开头的对象"),
    "extended": (
        "/app/{id}/data", document('{"_id": {"$oid": "zz"}}'), "不是有效的扩展 JSON"
    ),
    "dotted": (
        "/app/{id}/data", document('{"a.b": 1}'), "字段名“a.b”中含有点号，请改用嵌套的对象。"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
async def test_beside_the_field_in_chinese(page: Page, app: App, what: str) -> None:
    path, give, said = REFUSED[what]
    await page.goto(path.format(id=app.id))
    field = await give(page)
    await is_wrong(field, re.compile(f"^{re.escape(said)}"))
    # Once, and what was typed is still there to be corrected.
    await expect(page.get_by_role("alert")).to_have_count(1)
    await expect(field).not_to_have_value("")


async def test_a_refusal_outlives_what_is_loaded_meanwhile(page: Page, app: App) -> None:
    """The list of deployments is loaded anew every ten seconds."""
    await page.goto(f"/app/{app.id}")
    field = await branch(page)
    await expect(field).to_have_attribute("aria-invalid", "true")
    async with page.expect_response(re.compile(rf"/api/apps/{app.id}/deployments\?")):
        pass
    await page.evaluate("new Promise((shown) => requestAnimationFrame(() => setTimeout(shown)))")
    await expect(field).to_have_attribute("aria-invalid", "true", timeout=1)


async def test_in_the_studio(page: Page, app: App) -> None:
    await page.goto(f"/studio/{app.id}")
    tree = page.get_by_role("tree", name="文件")
    await expect(tree.get_by_role("treeitem").first).to_be_visible(timeout=OPENS_MS)
    await of_file_names(page, tree)
    await of_a_commit(page, app)
    await of_a_share_link(page, app)


async def of_file_names(page: Page, tree: Locator) -> None:
    await page.get_by_role("button", name="新建文件", exact=True).click()
    name = tree.get_by_role("textbox", name="新建文件")
    for typed, why in (
        ("../over.txt", "文件不能使用这个名称。"),
        ("menu.txt", "menu.txt 已存在。"),
    ):
        await name.fill(typed)
        await page.keyboard.press("Enter")
        await is_wrong(name, why)
        await expect(name).to_have_value(typed)
        await expect(name).to_be_focused()
    await name.fill("deck.txt")
    await page.keyboard.press("Enter")
    deck = tree.get_by_role("treeitem", name="deck.txt")
    await expect(deck).to_be_visible()
    await expect(name).to_have_count(0)

    await deck.click()
    await page.keyboard.press("Control+Shift+KeyE")
    await page.keyboard.press("F2")
    renamed = tree.get_by_role("textbox", name="新名称")
    await renamed.fill("menu.txt")
    await page.keyboard.press("Enter")
    await is_wrong(renamed, "menu.txt 已存在。")
    await page.keyboard.press("Escape")
    await expect(deck).to_be_visible()
    await expect(tree).to_be_focused()


async def of_a_commit(page: Page, app: App) -> None:
    """The longest one is more than anybody types; it may be pasted."""
    await page.keyboard.press("Control+Shift+KeyG")
    message = page.get_by_role("textbox", name="你修改了什么？")
    commit = page.get_by_role("button", name="提交", exact=True)
    await message.fill("x" * (LONGEST_MESSAGE + 1))
    await commit.click()
    await is_wrong(message, f"最多 {LONGEST_MESSAGE} 个字符")
    await message.fill("A deck")
    await commit.click()
    await expect(message).to_have_value("")
    await expect(message).not_to_have_attribute("aria-invalid", "true")
    log = ok(await OpenApp(app.user, app.id).get("git/log"))
    assert log["commits"][0]["subject"] == "A deck"


async def of_a_share_link(page: Page, app: App) -> None:
    """There is no field to blame: it is said above the form, and what was made is all there."""
    given = {"app_id": app.id, "expires_in": 3600}
    for _ in range(MAX_LINKS):
        ok(await app.api.post("/api/workspace/share-links", json=given), 201)
    await page.get_by_role("button", name="分享预览").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("listitem")).to_have_count(MAX_LINKS)
    await dialog.get_by_role("button", name="创建链接").click()
    await expect(dialog.get_by_role("alert")).to_contain_text(
        f"你已有 {MAX_LINKS} 个分享链接，达到上限。请撤回一些。"
    )
    await expect(dialog.get_by_role("listitem")).to_have_count(MAX_LINKS)
    await dialog.get_by_role("button", name=re.compile("^撤回")).first.click()
    await expect(dialog.get_by_role("listitem")).to_have_count(MAX_LINKS - 1)
    await dialog.get_by_role("button", name="创建链接").click()
    await expect(dialog.get_by_role("listitem")).to_have_count(MAX_LINKS)
    await expect(dialog.get_by_role("alert")).to_have_count(0)
