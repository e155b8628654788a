"""Fixtures of the whole suite. The platform is started when the first test asks for it.

Most tests keep to a user of their own and notice nothing of others: ``ops/test`` runs these, which
are marked ``shares``, in two processes beside each other. The rest takes parts of the platform away,
fills what all share, or measures, and has it to itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio

from tests.support.platform import Platform
from tests.support.user import User

# Also imports Hypothesis early: when its plugin imports it at the very end of a run, Python 3.11's
# parser fails in pytest's assertion rewriting ("AST constructor recursion depth mismatch").
hypothesis.settings.register_profile("studio", deadline=None)
hypothesis.settings.load_profile("studio")


SHARE = {
    "browser": {"test_studio_recovery.py"},
    "end_to_end": {
        "test_app_view.py",
        "test_build_cache.py",
        "test_doctor.py",
        "test_exposure.py",
        "test_hostile_builds.py",
        "test_image_registry.py",
        "test_isolation.py",
        "test_many_releases.py",
        "test_metrics.py",
        "test_nodes.py",
        "test_packages.py",
        "test_trace.py",
        "test_workspace.py",
        "test_workspace_isolation.py",
        "test_workspace_runs.py",
        "test_workspace_terminal.py",
    },
}
"""Packages whose tests share the platform, and the modules in them that do not."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        package = item.path.relative_to(Path(__file__).parent).parts[0]
        if package in SHARE and item.path.name not in SHARE[package]:
            item.add_marker(pytest.mark.shares)


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
