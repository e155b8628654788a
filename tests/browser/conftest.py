"""One browser for the run, and people who sit in front of it."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, StorageState, async_playwright

from ops.admin_api import AdminApi
from ops.bench.browser import CHROMIUM, CHROMIUM_OPTIONS
from ops.settings import Settings
from ops.stack.studio_page import ensure_packages
from tests.browser.support import Window, session, signed_in
from tests.support.platform import Platform
from tests.support.user import User


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def settings(platform: Platform) -> Settings:
    return platform.settings


@pytest.fixture(scope="session")
def axe(settings: Settings) -> Path:
    return ensure_packages(settings) / "node_modules" / "axe-core" / "axe.min.js"


@pytest_asyncio.fixture
async def visitor(browser: Browser, settings: Settings) -> AsyncIterator[Page]:
    """The page of somebody who was never here."""
    async with Window.opened(browser, settings) as page:
        yield page


@pytest_asyncio.fixture
async def page(browser: Browser, user: User) -> AsyncIterator[Page]:
    """The page of ``user``, signed in."""
    async with Window.opened(browser, user.settings, await signed_in(user)) as page:
        yield page


@pytest.fixture
def pictures(request: pytest.FixtureRequest) -> Path | None:
    """Where screenshots go (``STUDIO_SCREENSHOTS``), for the tour in the README; None: nowhere."""
    folder = os.environ.get("STUDIO_SCREENSHOTS")
    if not folder:
        return None
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    assert re.fullmatch(r"[\w./-]+", folder)
    return path


@pytest_asyncio.fixture
async def administrator(settings: Settings) -> StorageState:
    """A browser's state in which the first administrator is signed in."""
    admin = await asyncio.to_thread(AdminApi, settings)
    admin.api.close()
    return session(settings, admin.api.headers["Authorization"])
