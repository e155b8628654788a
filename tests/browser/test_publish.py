"""From an app to its public URL and back, as somebody sees it who has read nothing."""

from __future__ import annotations

import re
import secrets

from playwright.async_api import Page, expect

from tests.support.apps import hello, node_app, slow_build
from tests.support.user import User

HOSTILE = "<img src=x onerror=window.hacked=1> <b>shop</b>"


async def test_from_a_template_to_the_public_address(page: Page) -> None:
    await page.goto("/apps")
    await page.get_by_role("button", name="New app").click()
    await page.get_by_label("Name").fill("First")
    await page.get_by_text("Plain HTML").click()  # of the templates, which are shown first
    await page.get_by_role("button", name="Create app").click()
    await expect(page.get_by_role("heading", name="First")).to_be_visible()
    await page.get_by_role("button", name="Deploy", exact=True).click()
    stages = page.get_by_role("list", name="Stages")
    await expect(stages.get_by_text("Get the code")).to_be_visible()
    # In the middle of it, everything is there again after a reload.
    await page.reload()
    await expect(stages.get_by_text("Get the code")).to_be_visible()
    link = page.get_by_text("Live at", exact=True).locator("..").get_by_role("link").first
    await expect(link).to_be_visible(timeout=90_000)
    await expect(page.get_by_role("log", name="Build and start log")).to_contain_text("#")
    async with page.context.expect_page() as opened:
        await link.click()
    live = await opened.value
    await expect(live).to_have_url(re.compile(r"^http://first[^/]*\.apps\."))
    await expect(live.get_by_role("heading", name="It works")).to_be_visible()

    await page.get_by_role("link", name="Settings").click()
    await page.get_by_role("button", name="Delete this app").click()
    confirm = page.get_by_role("dialog").get_by_role("button", name="Delete this app")
    await page.get_by_role("dialog").get_by_role("textbox").fill("Frist")
    await expect(confirm).to_be_disabled()
    await page.get_by_role("dialog").get_by_role("textbox").fill("First")
    await confirm.click()
    await expect(page.get_by_text("Your first app")).to_be_visible(timeout=60_000)


async def test_a_failure_is_explained_and_a_rollback_is_one_click(page: Page, user: User) -> None:
    app = await user.app(hello("one"), name=HOSTILE)
    await app.deployed()
    await app.push(hello("two"), message="second <i>release</i>")
    await page.goto(f"/app/{app.id}")
    deploy = page.get_by_role("button", name="Deploy", exact=True)
    history = page.get_by_role("listitem").filter(has_text=re.compile(r"^#\d+"))
    await deploy.click()
    await expect(history).to_have_count(2)
    await expect(page.get_by_text("Live at", exact=True)).to_be_visible(timeout=60_000)
    await expect(page.get_by_text("second <i>release</i>").first).to_be_visible()

    # Names and what an app prints are text, whatever they hold.
    line = "\\u001b[31mno <script>window.hacked=1</script>\\u001b]0;title\\u0007 config"
    await app.push(node_app(f'console.error("{line}"); process.exit(3);'), message="break it")
    await deploy.click()
    failure = page.get_by_role("alert").filter(has_text="Failed at")
    await expect(failure).to_be_visible(timeout=60_000)
    await expect(failure).to_contain_text("no <script>window.hacked=1</script> config")
    await expect(failure).to_contain_text("runtime-")
    await expect(failure).to_contain_text("What to do:")
    await expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    assert (await app.get()).text == "two"

    await expect(history).to_have_count(3)
    await history.nth(2).get_by_role("button").click()
    await page.get_by_role("button", name="Roll back to this").click()
    await expect(history).to_have_count(4)
    await expect(page.get_by_text("Live at", exact=True)).to_be_visible(timeout=60_000)
    assert (await app.get()).text == "one"
    assert await page.evaluate("window.hacked") is None


async def test_a_build_is_cancelled_leaves_nothing_and_is_tried_again(
    page: Page, user: User
) -> None:
    # A text of its own: what an earlier run built would be taken from the cache, in no time.
    text = secrets.token_hex(6)
    app = await user.app(slow_build(15, text))
    await page.goto(f"/app/{app.id}")
    await page.get_by_role("button", name="Deploy", exact=True).click()
    log = page.get_by_role("log", name="Build and start log")
    await expect(log).to_contain_text("building 2 of", timeout=60_000)
    await expect(log).to_contain_text("building 6 of", timeout=30_000)
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_text("Cancelled").first).to_be_visible(timeout=30_000)
    again = page.get_by_role("button", name="Try again")
    await expect(again).to_be_visible()
    assert (await app.api.get(f"/api/apps/{app.id}")).json()["status"] == "NEW"

    await again.click()
    await expect(page.get_by_text(re.compile(r"^Retry #\d+"))).to_be_visible()
    await expect(page.get_by_text("Live at", exact=True)).to_be_visible(timeout=90_000)
    await expect(again).to_have_count(0)
    assert (await app.get()).text == text


async def test_variables_are_kept_masked_and_shown_on_demand(page: Page, user: User) -> None:
    app = await user.app(hello())
    await page.goto(f"/app/{app.id}/environment")
    await page.get_by_role("button", name="Add a variable").click()
    await page.get_by_label("Name of the variable").fill("9TIMES")
    await page.get_by_label("Value of 9TIMES").fill(HOSTILE)
    await expect(page.get_by_text("no digit first")).to_be_visible()
    await page.get_by_label("Name of the variable").fill("GREETING")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    await page.reload()
    value = page.get_by_label("Value of GREETING")
    await expect(value).to_have_value("")
    await page.get_by_role("button", name="Show values").click()
    await expect(value).to_have_value(HOSTILE)
    assert await page.evaluate("window.hacked") is None
