"""Two people, each with a hostile app that is live and open in the workspace, and one browser."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, BrowserContext, Frame, Page, expect

from ops.settings import Settings
from tests.browser.support import PATIENCE_MS, WORKBENCH_MS, signed_in
from tests.support.user import App, User, ok
from tests.support.workspace import OpenApp, run_is

HERE = Path(__file__).parent
ATTACKS = (HERE / "attacks.js").read_text()

MARKUP = "<img src=x onerror=__hit=1>"
"""Were it taken as markup anywhere, there would be an element, and ``window.__hit``."""
ESCAPES = "\x1b[31mred\x1b[0m \x1b]0;owned\x07\x1b[2J"
FILE = f"{MARKUP}.txt"
PACKAGE = {"scripts": {"start": "node server.js", "dev": "node server.js"}}
FILES = {
    "package.json": json.dumps(PACKAGE),
    "server.js": (HERE / "server.js").read_text(),
    "hostile.txt": f"{MARKUP} {ESCAPES}\n",
    FILE: MARKUP,
    f"{MARKUP}\x1b[31m": MARKUP,
    "Dockerfile": """
FROM node:24-bookworm-slim
WORKDIR /app
COPY package.json server.js hostile.txt ./
RUN cat hostile.txt && echo ONCE
USER 1000
CMD ["node", "server.js"]
""",
}

KEEP = """
() => new Promise((done, broken) => {
  localStorage.secret = origin;
  const opened = indexedDB.open(origin);
  opened.onsuccess = () => (opened.result.close(), done());
  opened.onerror = broken;
})
"""
"""An origin keeps what others must not read: its own name."""

BLOCKED = "chrome-error://chromewebdata/"
"""What a frame shows in place of a page that may not be framed."""

Where = Literal["live app", "shared preview", "own preview", "own preview in the studio", "VS Code"]
PLACES: tuple[Where, ...] = (
    "live app",
    "shared preview",
    "own preview",
    "own preview in the studio",
    "VS Code",
)


@dataclass(frozen=True)
class Person:
    user: User
    app: App

    @property
    def space(self) -> OpenApp:
        return OpenApp(self.user, self.app.id)

    @property
    def preview(self) -> str:
        return self.user.settings.preview_url(self.user.id)

    async def link(self, seconds: int = 3600) -> dict[str, Any]:
        made: dict[str, Any] = ok(await self.space.post("share-links", expires_in=seconds), 201)
        return made


@asynccontextmanager
async def person(settings: Settings, home: Path) -> AsyncIterator[Person]:
    async with User.registered(settings, home) as user:
        app = App(user, ok(await user.api.post("/api/apps", json={"name": MARKUP}), 201))
        # A step that was seen before says nothing.
        recipe = FILES["Dockerfile"].replace("ONCE", secrets.token_hex(8))
        await app.push({**FILES, "Dockerfile": recipe}, message=f"{MARKUP} {ESCAPES}")
        deployment = await app.deploy()
        ok(await user.api.post("/api/workspace/open", json={"app_id": app.id}))
        ok(await OpenApp(user, app.id).post("run", task="dev"))
        await run_is(user, "RUNNING")
        assert (await app.ended(deployment))["status"] == "SUCCEEDED"
        yield Person(user, app)


@dataclass(frozen=True)
class Place:
    """Where hostile code runs, and whose other places it is after."""

    name: Where
    frame: Frame
    page: Page
    other: Person

    async def tries(self, attack: str, **given: Any) -> Any:
        return await self.frame.evaluate(f"given => ({ATTACKS}).{attack}(given)", given)

    async def tries_to_frame(self, *urls: str) -> list[str]:
        """What the frames show in the end: their addresses. None may let its parent look into it."""
        before = set(self.frame.child_frames)
        assert await self.tries("frames", urls=urls) == ["refused"] * len(urls)
        made = [one for one in self.frame.child_frames if one not in before]
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while not all(one.url for one in made):
                await asyncio.sleep(0.05)
        return [one.url for one in made]

    async def tries_to_open(self, url: str) -> tuple[Any, Page]:
        """What ``opens`` found, and the page that it opened."""
        async with self.page.context.expect_page() as opened:
            found = await self.tries("opens", url=url)
        return found, await opened.value


@dataclass(frozen=True)
class Scene:
    """The victim's browser. The victim is signed in, and was let into the attacker's preview."""

    settings: Settings
    victim: Person
    attacker: Person
    browser: Browser
    context: BrowserContext

    @classmethod
    @asynccontextmanager
    async def set_up(cls, browser: Browser, settings: Settings, home: Path) -> AsyncIterator[Scene]:
        for name in ("victim", "attacker"):
            (home / name).mkdir()
        async with (
            person(settings, home / "victim") as victim,
            person(settings, home / "attacker") as attacker,
        ):
            context = await browser.new_context(
                base_url=settings.studio_url, storage_state=await signed_in(victim.user)
            )
            context.set_default_timeout(PATIENCE_MS)
            made = cls(settings, victim, attacker, browser, context)
            # Each has something that others must not reach, and the pass to both previews is there.
            for url in (victim.app.url, victim.preview, (await attacker.link())["url"]):
                page = await context.new_page()
                await page.goto(url)
                await expect(page.get_by_role("heading", name="It runs")).to_be_visible()
                await page.evaluate(KEEP)
                await page.close()
            yield made
            await context.close()

    @asynccontextmanager
    async def at(self, name: Where) -> AsyncIterator[Place]:
        page = await self.context.new_page()
        if name == "own preview in the studio":
            await page.goto(f"/studio/{self.victim.app.id}")
            inside = await page.get_by_title("Preview", exact=True).element_handle(
                timeout=3 * PATIENCE_MS
            )
            frame = await inside.content_frame() if inside else None
            assert frame
            other = self.attacker
        elif name == "VS Code":
            # As an extension would that somebody was talked into.
            other = self.attacker
            await page.goto(ok(await self.victim.space.post("code"))["url"])
            frame = page.main_frame
        else:
            other = self.attacker if name == "own preview" else self.victim
            await page.goto(
                {
                    "live app": self.attacker.app.url,
                    "shared preview": self.attacker.preview,
                    "own preview": self.victim.preview,
                }[name]
            )
            frame = page.main_frame
        if name == "VS Code":
            await expect(frame.get_by_role("treeitem", name="server.js")).to_be_visible(
                timeout=WORKBENCH_MS
            )
        else:
            await expect(frame.get_by_role("heading", name="It runs")).to_be_visible()
        yield Place(name, frame, page, other)
        for one in self.context.pages:
            await one.close()

    async def studio_cookies(self) -> list[Any]:
        """Those that the browser sends to the studio."""
        found = await self.context.cookies(self.settings.studio_url + "/api/me")
        return sorted((one["name"], one["value"]) for one in found)

    async def state(self) -> list[Any]:
        """What an attacker would change of the victim's."""
        api = self.victim.user.api
        paths = ("/api/me", "/api/auth/tokens", "/api/apps", "/api/ssh-keys")
        found = await asyncio.gather(*(api.get(path) for path in paths))
        return [ok(answer) for answer in found]
