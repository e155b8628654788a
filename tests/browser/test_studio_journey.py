"""From sign-up to a live address and back on one page, as somebody does it who has read nothing."""

from __future__ import annotations

import re
import secrets
import time

from playwright.async_api import Browser, Page, expect

from ops.settings import Settings
from tests.browser.studio import Studio
from tests.browser.support import Window
from tests.support.user import PASSWORD

DEPLOYS_MS = 120_000

PAGE = """import {{ useState }} from 'react'

export default function App() {{
  const [count, setCount] = useState(0)
  return (
    <main>
      <h1>{heading}</h1>
      <button onClick={{() => setCount(count + 1)}}>Clicked {{count}} times</button>
    </main>
  )
}}
"""


async def test_written_seen_published_failed_and_rolled_back(
    browser: Browser, settings: Settings
) -> None:
    # The dev server tells its own page what it thinks of a file that is broken.
    async with Window.opened(browser, settings, expected=("[vite]", "[hmr]")) as visitor:
        await journey(visitor)


async def journey(visitor: Page) -> None:
    began = time.monotonic()
    await visitor.goto("/")
    # What is wrong is said beside its field, and what was typed stays.
    await visitor.get_by_label("Email").fill("nobody")
    await visitor.get_by_role("button", name="Create account").click()
    await expect(visitor.get_by_text("An address like")).to_be_visible()
    await visitor.get_by_label("Email").fill(f"j{secrets.token_hex(6)}@tests.example")
    await visitor.get_by_label("Password", exact=True).fill(PASSWORD)
    await visitor.get_by_role("button", name="Create account").click()
    await visitor.get_by_role("button", name="New app").click()
    await visitor.get_by_label("Name").fill("Journey")
    await visitor.get_by_text("React and Vite").click()
    await visitor.get_by_role("button", name="Create app").click()
    await visitor.get_by_role("link", name="Code").click()
    # The address changes when what the page is made of has been loaded.
    await visitor.wait_for_url(re.compile(r"/studio/\d+$"))
    studio = Studio(visitor, int(visitor.url.rpartition("/")[2]))
    await studio.is_there()

    # The edit is seen without a reload: what the page has counted is still there.
    shown = studio.preview
    await expect(shown.get_by_role("heading", name="It works")).to_be_visible(timeout=DEPLOYS_MS)
    await shown.get_by_role("button", name="Clicked").click()
    await expect(studio.tab("App.jsx")).to_have_attribute("aria-selected", "true")
    await studio.write(PAGE.format(heading="It shines"))
    await expect(shown.get_by_role("heading", name="It shines")).to_be_visible()
    await expect(shown.get_by_role("button", name="Clicked 1 times")).to_be_visible()

    await studio.commit("Let it shine")
    await visitor.get_by_role("button", name="Deploy", exact=True).click()
    deploy = studio.drawer.get_by_role("button", name="Deploy", exact=True)
    live = studio.drawer.get_by_text("Live at", exact=True).locator("..").get_by_role("link").first
    history = studio.drawer.get_by_role("listitem").filter(has_text=re.compile(r"^#\d+"))
    await deploy.click()
    await expect(live).to_be_visible(timeout=DEPLOYS_MS)
    taken = time.monotonic() - began
    async with visitor.context.expect_page() as opened:
        await live.click()
    public = await opened.value
    await expect(public.get_by_role("heading", name="It shines")).to_be_visible()
    assert taken < 120, f"{taken:.0f} s from sign-up to the public address"

    # What is not committed yet is asked about on the way.
    async def deployed_with(text: str, count: int) -> None:
        await visitor.keyboard.press("Escape")
        await expect(studio.drawer).to_have_count(0)
        await studio.write(text)
        await studio.save()
        await studio.command("Deploy")
        await expect(history).to_have_count(count - 1)
        await deploy.click()
        await visitor.get_by_role("button", name="Commit and deploy").click()
        await expect(history).to_have_count(count)

    await deployed_with(PAGE.format(heading="It glows"), 2)
    await expect(live).to_be_visible(timeout=DEPLOYS_MS)
    await public.reload()
    await expect(public.get_by_role("heading", name="It glows")).to_be_visible()

    await deployed_with(PAGE.format(heading="It <breaks"), 3)
    failure = studio.drawer.get_by_role("alert").filter(has_text="Failed at: Build")
    await expect(failure).to_be_visible(timeout=DEPLOYS_MS)
    await expect(failure).to_contain_text("What to do:")
    await expect(failure.get_by_label("The last lines:")).to_contain_text("App.jsx")
    await public.reload()
    await expect(public.get_by_role("heading", name="It glows")).to_be_visible()

    await history.nth(2).get_by_role("button").click()
    await studio.drawer.get_by_role("button", name="Roll back to this").click()
    await expect(history).to_have_count(4)
    await expect(live).to_be_visible(timeout=DEPLOYS_MS)
    await public.reload()
    await expect(public.get_by_role("heading", name="It shines")).to_be_visible()
