"""Fixtures of the whole suite. The platform is started when the first test asks for it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio

from tests.support.platform import Platform
from tests.support.user import User

ATTACH = os.environ.get("STUDIO_TEST_ATTACH") == "1"

# Also imports Hypothesis early: when its plugin imports it at the very end of a run, Python 3.11's
# parser fails in pytest's assertion rewriting ("AST constructor recursion depth mismatch").
hypothesis.settings.register_profile("studio", deadline=None)
hypothesis.settings.load_profile("studio")


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """A platform of the tests' own. ``STUDIO_TEST_KEEP=1`` leaves it running for the next run,
    ``STUDIO_TEST_ATTACH=1`` takes the one that ``STUDIO_HOME`` names."""
    if ATTACH:
        yield Platform.attach()
        return
    platform = Platform.up()
    yield platform
    if os.environ.get("STUDIO_TEST_KEEP") != "1":
        platform.down()


@pytest_asyncio.fixture
async def user(platform: Platform, tmp_path: Path) -> AsyncIterator[User]:
    """A new user of the platform."""
    async with User.registered(platform.settings, tmp_path) as user:
        yield user


@pytest_asyncio.fixture
async def stranger(platform: Platform, tmp_path: Path) -> AsyncIterator[User]:
    """Somebody else."""
    home = tmp_path / "stranger"
    home.mkdir()
    async with User.registered(platform.settings, home) as user:
        yield user
