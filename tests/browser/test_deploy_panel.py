"""What the deploy panel tells of a deployment and of those before it."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.browser.support import Window, refusing, signed_in
from tests.support.apps import failing_build, hello
from tests.support.platform import Platform
from tests.support.user import PASSWORD, App, User, ok

LINES = 300
RED = "rgb(248, 113, 113)"
#: Far more lines than fit, some of them coloured.
BABBLING = f"""
FROM node:24-bookworm-slim
WORKDIR /app
COPY package.json server.js ./
RUN for i in $(seq {LINES}); do echo "line $i of {LINES}"; done \\
 && printf '\\033[31mred words\\033[0m and \\033[1;32mbold green\\033[0m\\n'
USER 1000
CMD ["node", "server.js"]
"""


@pytest_asyncio.fixture(scope="module")
async def app(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    """Live, with a build that printed much; the deployment before it failed."""
    async with User.registered(platform.settings, tmp_path_factory.mktemp("panel")) as user:
        app = await user.app(failing_build())
        await app.deployed()
        # A text of its own: what the cache knows prints nothing.
        babbling = hello(secrets.token_hex(6)) | {"Dockerfile": BABBLING}
        await app.push(babbling, message="Say <b>much</b>")
        await app.deployed()
        yield app


@pytest_asyncio.fixture
async def page(browser: Browser, app: App) -> AsyncIterator[Page]:
    state = await signed_in(app.user)
    async with Window.opened(browser, app.user.settings, state) as page:
        await page.goto(f"/app/{app.id}")
        await expect(line(page, f"line {LINES} of")).to_be_visible()
        yield page


def the_log(page: Page) -> Locator:
    return page.get_by_role("log", name="Build and start log")


def line(page: Page, text: str) -> Locator:
    """A line of the log; those out of sight are not drawn."""
    return the_log(page).get_by_text(text)


async def test_the_log_has_its_colours(page: Page) -> None:
    await page.get_by_label("Search").fill("red words and bold green")
    # Also in the command that BuildKit repeats; what was printed comes after it.
    await page.get_by_role("button", name="Previous match").click()
    red = line(page, "red words").and_(the_log(page).locator("span.ansi-red"))
    await expect(red).to_be_visible()
    await expect(red).to_have_text("red words")
    await expect(red).to_have_css("color", RED)
    green = the_log(page).get_by_text("bold green", exact=True)
    await expect(green).to_have_css("font-weight", "700")
    await expect(the_log(page).locator("span", has_text=re.compile("^ and $"))).not_to_have_css(
        "color", RED
    )


async def test_the_log_is_searched(page: Page) -> None:
    search = page.get_by_label("Search")
    counted = page.get_by_text(re.compile(r"^\d+/\d+$"))
    await search.fill(f"LINE 17 OF {LINES}")
    await expect(counted).to_have_text("1/1")
    await expect(line(page, f"line 17 of {LINES}")).to_be_in_viewport()
    await search.fill("line 1")
    # 1, 10 to 19 and 100 to 199, as somebody counts them; not the command, which says $i.
    await expect(counted).to_have_text("1/111")
    await expect(line(page, f"line 1 of {LINES}")).to_be_in_viewport()
    await page.get_by_role("button", name="Previous match").click()
    await expect(counted).to_have_text("111/111")
    await expect(line(page, f"line 199 of {LINES}")).to_be_in_viewport()
    await search.press("Enter")
    await expect(counted).to_have_text("1/111")
    await search.fill("no such words")
    await expect(counted).to_have_text("0/0")


async def test_the_log_is_downloaded(page: Page, app: App) -> None:
    live = (await app.live())["id"]
    async with page.expect_download() as asked:
        await (
            page.get_by_role("link", name="Download")
            .or_(page.get_by_role("button", name="Download"))
            .click()
        )
    taken = await asked.value
    assert taken.suggested_filename == f"deployment-{live}.log"
    text = Path(await taken.path()).read_text()
    # Words without the colours of a screen, and all of them.
    assert "\x1b" not in text
    assert [one for one in text.splitlines() if one.endswith(f" of {LINES}")] != []
    for number in range(1, LINES + 1):
        assert len(re.findall(rf"line {number} of {LINES}$", text, re.MULTILINE)) == 1, number
    assert "red words and bold green" in text


async def test_earlier_deployments_tell_what_they_were(page: Page, app: App) -> None:
    history = page.get_by_role("listitem").filter(has_text=re.compile(r"^#\d+"))
    await expect(history).to_have_count(2)
    newest, first = history.nth(0), history.nth(1)
    head = (await app.git("rev-parse", "HEAD")).strip()
    for text in ("Succeeded", "Deploy", head[:7], "Say <b>much</b>", "Ada", "serves now"):
        await expect(newest).to_contain_text(text)
    for text in ("Failed", "Deploy", "change", "Ada"):
        await expect(first).to_contain_text(text)
    await expect(first).not_to_contain_text("serves now")
    for one in (newest, first):
        await expect(one).to_contain_text(re.compile(r"\d(\.\d)?s"))
        await expect(one.get_by_role("time")).to_contain_text(re.compile("ago|now"))

    await first.get_by_role("button").click()
    failure = page.get_by_role("alert").filter(has_text="Failed at: Build")
    await expect(failure).to_be_visible()
    stages = page.get_by_role("list", name="Stages").get_by_role("listitem")
    built = stages.filter(has_text="Build")
    await expect(built.get_by_role("img", name="Failed")).to_be_visible()
    await expect(stages.get_by_role("img", name="Failed")).to_have_count(1)


async def test_earlier_ones_stay_while_the_newest_are_looked_at_again(page: Page, app: App) -> None:
    """More of them than anybody waits for."""
    told = await app.live()
    newest, refuses = told["id"] + 1000, True

    async def some(route: Route) -> None:
        nonlocal newest, refuses
        if route.request.method == "POST":
            newest += 1
            await route.fulfill(status=202, json={"id": newest})
            return
        before = parse_qs(urlsplit(route.request.url).query).get("before")
        if before and refuses:
            refuses = False
            await refusing(503)(route)
            return
        last = int(before[0]) - 1 if before else newest
        await route.fulfill(json=[told | {"id": last - n} for n in range(10)])

    async def one(route: Route) -> None:
        await route.fulfill(json=told)

    await page.route(re.compile(rf"/api/apps/{app.id}/deployments"), some)
    await page.route(re.compile(r"/api/deployments/\d+$"), one)
    await page.reload()
    history = page.get_by_role("listitem").filter(has_text=re.compile(r"^#\d+"))
    await expect(history).to_have_count(10)
    await page.get_by_role("button", name="Show earlier ones").click()
    await expect(page.get_by_role("alert")).to_contain_text("A part of the platform is away")
    await page.get_by_role("button", name="Try again").click()
    await expect(history).to_have_count(20)
    await page.get_by_role("button", name="Deploy", exact=True).click()
    await expect(history).to_have_count(21)
    await expect(history.first).to_contain_text(f"#{newest}")
    await expect(history.last).to_contain_text(f"#{newest - 20}")


async def test_one_that_was_chosen_after_the_session_ended_comes_with_the_next(
    page: Page, app: App
) -> None:
    email = ok(await app.api.get("/api/me"))["email"]
    asked = re.compile(r"/api/deployments/\d+$")
    await page.route(asked, refusing(401))
    history = page.get_by_role("listitem").filter(has_text=re.compile(r"^#\d+"))
    await history.nth(1).get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text(email)
    await page.unroute(asked)
    await dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    await dialog.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_role("alert").filter(has_text="Failed at: Build")).to_be_visible()


async def test_the_stages_tell_host_time_and_attempt(page: Page, app: App) -> None:
    stages = page.get_by_role("list", name="Stages").get_by_role("listitem")
    told: dict[str, Any] = await app.live()
    recorded = told["stages"]
    await expect(stages).to_have_count(len(recorded))
    for words, host in (("Build", "runner-"), ("Health check", "runtime-")):
        stage = stages.filter(has_text=words)
        await expect(stage).to_contain_text(host)
        await expect(stage).to_contain_text(re.compile(r"\d(\.\d)?s$"))
        await expect(stage.get_by_role("img", name="Succeeded")).to_be_visible()
    await expect(page.get_by_text(re.compile("attempt"))).to_have_count(0)

    # That hosts fail in the midst of it is shown elsewhere; here, how it is told.
    next(stage for stage in recorded if stage["name"] == "build")["attempt"] = 3

    async def again(route: Route) -> None:
        await route.fulfill(json=told)

    await page.route(re.compile(r"/api/deployments/\d+$"), again)
    await page.reload()
    await expect(stages.filter(has_text="Build")).to_contain_text("attempt 3")
    await expect(stages.filter(has_text="attempt")).to_have_count(1)


async def test_how_it_stands_is_read_aloud(page: Page, app: App) -> None:
    live = (await app.live())["id"]
    told = page.get_by_role("region", name=f"Deployment {live}").get_by_role("status")
    await expect(told).to_contain_text(f"Deployment {live}: Succeeded")
    await expect(told).to_contain_text("Live at")
    await expect(told.get_by_role("link").first).to_be_visible()
    # What explains a failure interrupts; it is not told twice.
    history = page.get_by_role("listitem").filter(has_text=re.compile(r"^#\d+"))
    await history.nth(1).get_by_role("button").click()
    await expect(page.get_by_role("alert").filter(has_text="Failed at: Build")).to_be_visible()
    failed = page.get_by_role("region", name=re.compile(r"^Deployment \d+")).get_by_role("status")
    await expect(failed).to_have_text("")


async def test_a_log_that_is_not_there_is_not_asked_for_for_ever(page: Page) -> None:
    async def gone(route: Route) -> None:
        await route.fulfill(status=404, json={})

    await page.route(re.compile(r"/api/deployments/\d+/log\?"), gone)
    await page.reload()
    await expect(the_log(page)).to_contain_text("Nothing was logged.")


async def test_what_is_new_since_the_release_before_and_what_was_taken_back(
    browser: Browser, user: User
) -> None:
    app = await user.app(hello("one"))
    await app.deployed()
    await app.push({"a.txt": "a"}, message="Add <i>a</i>")
    await app.push({"b.txt": "b"}, message="Add b 加上")
    await app.deployed()
    async with Window.opened(browser, user.settings, await signed_in(user)) as page:
        await page.goto(f"/app/{app.id}")
        note = page.locator(".success")
        await expect(note).to_contain_text("2 commits new since the release before")
        for subject in ("Add <i>a</i>", "Add b 加上"):
            await expect(note.get_by_role("listitem").filter(has_text=subject)).to_contain_text(
                "Ada"
            )
        history = page.get_by_role("listitem").filter(has_text=re.compile(r"^#\d+"))
        await history.last.get_by_role("button").click()
        await page.get_by_role("button", name="Roll back to this").click()
        await expect(note).to_contain_text("2 commits taken back", timeout=60_000)
