"""Windows of the browser, and what every one of them is watched for."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, Page, Route, StorageState, expect

from api.entry.deps import cookie_name
from ops.settings import Settings
from tests.support.user import User

PATIENCE_MS = 15_000
WORKBENCH_MS = 60_000
"""What VS Code may take to show itself."""
expect.set_options(timeout=PATIENCE_MS)

Theme = Literal["light", "dark"]
#: How pages are looked at. The tour in the README has them in both languages at the same width.
LOOKS: list[tuple[Theme, str, int]] = [("light", "en-US", 1280), ("dark", "zh-CN", 390)]
if "STUDIO_SCREENSHOTS" in os.environ:
    LOOKS.append(("light", "zh-CN", 1280))
CROWDED = """() => {
  const found = [], boxes = [], width = document.documentElement.clientWidth;
  const name = (one) => one.getAttribute('aria-label') || one.textContent.trim() || one.className;
  const drawn = (one) => one.checkVisibility({visibilityProperty: true}) && one.offsetWidth > 1
    && !one.closest('.monaco-editor, .xterm, .skip');
  const looked = 'button, a, input, textarea, h1, h2, [role=tab]';
  for (const one of [...document.querySelectorAll(looked)].filter(drawn)) {
    const box = one.getBoundingClientRect();
    if (box.left < -1 || box.right > width + 1) found.push(`outside: ${name(one)}`);
    if (one.matches('button') && one.scrollWidth > one.clientWidth + 1) found.push(`cut: ${name(one)}`);
    boxes.push([one, box]);
  }
  for (const [one, a] of boxes) for (const [other, b] of boxes) {
    if (one.contains(other) || other.contains(one)) continue;
    if (one.offsetParent !== other.offsetParent) continue;
    // It stands in its field, which leaves room for it.
    if (one.parentElement === other.parentElement && one.parentElement.matches('.password')) continue;
    const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (across > 3 && down > 3) found.push(`${name(one)} over ${name(other)}`);
  }
  return found;
}"""
#: What is known to be wrong only where the platform's names have no certificate.
IGNORED = ("Failed to load resource",)


async def signed_in(user: User) -> StorageState:
    """The cookie of the same session that the user's API client has."""
    return session(user.settings, user.api.headers["Authorization"])


def session(settings: Settings, authorization: str) -> StorageState:
    """The same of any API client, by the header that it sends."""
    return {
        "cookies": [
            {
                "name": cookie_name(settings),
                "value": authorization.partition(" ")[2],
                "domain": settings.studio_host,
                "path": "/",
                "expires": -1,
                "httpOnly": True,
                "secure": False,
                "sameSite": "Lax",
            }
        ],
        "origins": [],
    }


class Window:
    """A window is a browser context of its own: cookies, storage, language, theme."""

    @staticmethod
    @asynccontextmanager
    async def opened(
        browser: Browser,
        settings: Settings,
        state: StorageState | None = None,
        *,
        bypass_csp: bool = False,
        expected: tuple[str, ...] = (),
        **options: Any,
    ) -> AsyncIterator[Page]:
        """Fails at the end when a script broke or the page's policy was violated.

        ``expected``: how messages begin that the browser writes when a test cuts a connection.
        """
        context = await browser.new_context(
            base_url=settings.studio_url,
            storage_state=state,
            bypass_csp=bypass_csp,
            **{"viewport": {"width": 1280, "height": 800}, "locale": "en-US", **options},
        )
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        broken: list[str] = []
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.on(
            "console",
            lambda message: (
                broken.append(message.text)
                if message.type == "error" and not message.text.startswith(IGNORED + expected)
                else None
            ),
        )
        try:
            yield page
        finally:
            await context.close()
        assert broken == [], broken


def refusing(status: int) -> Callable[[Route], Awaitable[None]]:
    """For ``page.route``: what the platform says then, in no more words than its status."""

    async def refuse(route: Route) -> None:
        problem = {"type": "about:blank", "title": "", "status": status, "detail": ""}
        await route.fulfill(status=status, json=problem)

    return refuse


async def violations(page: Page, axe: Path, within: str = "html") -> list[str]:
    """What axe finds that is serious; the window was opened with ``bypass_csp``."""
    await page.add_script_tag(path=axe)
    found = await page.evaluate(
        "async (within) => (await axe.run(within, {resultTypes: ['violations']})).violations",
        within,
    )
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


async def settled(page: Page) -> None:
    """The page shows what it loads, and nothing moves any more."""
    await expect(page.get_by_role("heading").first).to_be_visible()
    await expect(page.locator(".p-skeleton")).to_have_count(0)
    await page.evaluate("document.fonts.ready")
    await page.evaluate(
        "Promise.all(document.getAnimations().filter(a => a.effect.getTiming().iterations !=="
        " Infinity).map(a => a.finished.catch(() => null)))"
    )


async def look(page: Page, axe: Path, pictures: Path | None, name: str) -> list[str]:
    """What is wrong with the page as it is now."""
    await settled(page)
    if pictures:
        await page.screenshot(path=pictures / f"{name}.png")
    found = [f"{name}: {one}" for one in await violations(page, axe)]
    root = "document.documentElement"
    if await page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"):
        found.append(f"{name} is wider than its window")
    return found


async def crowded(page: Page) -> list[str]:
    """Controls that are outside of the window, cut, or under another one."""
    found: list[str] = await page.evaluate(CROWDED)
    return found
