"""Fixtures of the whole suite. The platform is started when the first test asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio

from tests.support.platform import Platform
from tests.support.user import User
from tests.tiers import comes_first, is_long, shares_the_platform

# Also imports Hypothesis early: when its plugin imports it at the very end of a run, Python 3.11's
# parser fails in pytest's assertion rewriting ("AST constructor recursion depth mismatch").
hypothesis.settings.register_profile("studio", deadline=None)
hypothesis.settings.load_profile("studio")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        module = _module(item)
        if shares_the_platform(module):
            item.add_marker(pytest.mark.shares)
        if is_long(module, item.name):
            item.add_marker(pytest.mark.long)
    items.sort(key=lambda item: not comes_first(_module(item)))


def _module(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).as_posix()


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """The platform of this run; see ``Platform.for_tests``."""
    with Platform.for_tests() as platform:
        yield platform


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
