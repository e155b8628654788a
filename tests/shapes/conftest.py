"""The tests' platform in another shape: two hosts of a kind, apps below paths of one name, and a
host for workspaces that runs no more than one dev server.

One more ``ops/up`` makes it so, as an operator would who adds hosts; afterwards another one takes
them away again. That is cheaper than a second platform, and is itself something that has to work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.platform import Platform, is_attached
from tests.support.user import User


@pytest.fixture(scope="package")
def platform(platform: Platform) -> Iterator[Platform]:
    if is_attached():
        settings = platform.settings
        if (settings.workspaces, settings.routing, settings.max_runs) != (2, "path", 1):
            pytest.skip("the platform that is attached to keeps its shape")
        yield platform
        return
    counts = ("--workspaces=2", "--runners=2", "--runtimes=2")
    with platform.reshaped(*counts, STUDIO_ROUTING="path", STUDIO_MAX_RUNS="1") as other:
        yield other


@pytest_asyncio.fixture
async def user(platform: Platform, tmp_path: Path) -> AsyncIterator[User]:
    """Whose apps are gone before the hosts that they are on are taken away."""
    async with User.registered(platform.settings, tmp_path) as user:
        yield user
        await user.no_apps()
