"""The log and the stages of a deployment that runs, also through a connection that is away for long."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.support import Window, signed_in
from tests.support.apps import hello
from tests.support.nodes import until
from tests.support.user import App, User
from tests.support.wire import Wire

STEPS = 13
PARTS = 30
BUILD_MS = 60_000
#: Prints more each second than fits.
DOCKERFILE = f"""
FROM node:24-bookworm-slim
WORKDIR /app
COPY package.json server.js ./
RUN for i in $(seq {STEPS}); do \\
  echo "building $i of {STEPS}"; for j in $(seq {PARTS}); do echo "part $i.$j of it"; done; sleep 1; \\
  done
USER 1000
CMD ["node", "server.js"]
"""
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Panel:
    """The deploy panel of an app's page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.log = page.get_by_role("log", name="Build and start log")
        self.follow = page.get_by_role("button", name="Follow the newest lines")
        self.lost = page.get_by_text("The connection was lost.")
        self.stages = page.get_by_role("list", name="Stages")

    def line(self, text: str) -> Locator:
        return self.log.get_by_text(re.compile(rf"\d {re.escape(text)}$"))

    async def saved(self) -> list[str]:
        """The lines that the page has, as its download holds them."""
        async with self.page.expect_download() as asked:
            await self.page.get_by_role("button", name="Download").click()
        return Path(await (await asked.value).path()).read_text().splitlines()


async def lines_of(app: App, deployment: int) -> list[str]:
    """What the platform has of the log, as somebody reads it."""
    told = (await app.log(deployment)).splitlines()
    return [COLOURS.sub("", json.loads(line)["text"]) for line in told]


async def printed(app: App, deployment: int, text: str) -> None:
    """Until the platform has it in its log, whatever the page knows."""

    async def is_there() -> bool:
        return any(line.endswith(f" {text}") for line in await lines_of(app, deployment))

    await until(is_there, BUILD_MS / 1000, f"{text} in the log")


async def test_following_a_build_through_a_lost_connection(browser: Browser, user: User) -> None:
    async with Wire.to(user.settings.ports.public) as wire:
        line: dict[str, Any] = {"proxy": {"server": wire.address}}
        async with Window.opened(browser, user.settings, await signed_in(user), **line) as page:
            await followed(page, user, wire)


async def followed(page: Page, user: User, wire: Wire) -> None:
    # A text of its own: what an earlier run built would be taken from the cache, in no time.
    app = await user.app(hello(secrets.token_hex(6)) | {"Dockerfile": DOCKERFILE})
    panel = Panel(page)
    await page.goto(f"/app/{app.id}")
    await page.get_by_role("button", name="Deploy", exact=True).click()
    await expect(panel.line(f"part 2.{PARTS} of it")).to_be_in_viewport(timeout=BUILD_MS)
    await expect(panel.follow).to_have_attribute("aria-pressed", "true")
    deployment = (await app.api.get(f"/api/apps/{app.id}/deployments")).json()[0]["id"]

    # Who scrolls up is left in peace, until they ask for the newest lines again.
    await panel.log.focus()
    await page.keyboard.press("Home")
    first = panel.log.get_by_text(re.compile("^#1 ")).first
    await expect(first).to_be_in_viewport()
    await expect(panel.follow).to_have_attribute("aria-pressed", "false")
    await printed(app, deployment, f"part 4.{PARTS} of it")
    await expect(first).to_be_in_viewport()
    await panel.follow.click()
    await expect(panel.line(f"part 4.{PARTS} of it")).to_be_visible()
    await expect(panel.follow).to_have_attribute("aria-pressed", "true")

    wire.cut()
    await expect(panel.lost).to_be_visible()
    await printed(app, deployment, f"part 8.{PARTS} of it")
    await expect(panel.line(f"part 8.{PARTS} of it")).to_have_count(0)
    wire.mend()
    # Whichever is the newest by now.
    await expect(panel.log).to_contain_text(re.compile(rf"part (9|1\d)\.{PARTS} of it"))
    await expect(panel.lost).to_have_count(0)
    taken = await panel.saved()
    await expect(panel.stages.get_by_role("img", name="Running")).to_have_count(1)

    # As long as it is pressed, the newest are in sight; pressed again, they are not followed.
    await expect(panel.follow).to_have_attribute("aria-pressed", "true")
    await panel.follow.click()
    await expect(panel.follow).to_have_attribute("aria-pressed", "false")
    await expect(page.get_by_text("Live at", exact=True)).to_be_visible(timeout=BUILD_MS)
    whole = await lines_of(app, deployment)
    assert taken == whole[: len(taken)]
    assert sum(one.endswith(f".{PARTS} of it") for one in taken) >= 9
    for counted, wanted in (("of it", STEPS * PARTS), ("building", None)):
        await page.get_by_label("Search").fill(counted)
        lines = sum(counted in one for one in whole)
        assert wanted is None or lines >= wanted
        await expect(page.get_by_text(re.compile(r"^\d+/\d+$"))).to_have_text(f"1/{lines}")
    recorded = (await app.live())["stages"]
    await expect(panel.stages.get_by_role("listitem")).to_have_count(len(recorded))
    await expect(panel.stages.get_by_role("img", name="Succeeded")).to_have_count(len(recorded))
