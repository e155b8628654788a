"""One scene for the folder: what each attack needs is there, and none of them may change it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from ops.settings import Settings
from tests.browser.attacks.scene import Scene


@pytest_asyncio.fixture(scope="package")
async def scene(
    browser: Browser, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    async with Scene.set_up(browser, settings, tmp_path_factory.mktemp("scene")) as scene:
        yield scene
