"""Fixtures of tests that look at the platform from inside user code."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.platform import Platform
from tests.support.prober import Probe


@pytest_asyncio.fixture(scope="session")
async def probes(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Probe, Probe]]:
    """Live apps of two users, for the whole run."""
    own, other = (tmp_path_factory.mktemp(name) for name in ("own", "other"))
    async with (
        Probe.deployed(platform.settings, own) as one,
        Probe.deployed(platform.settings, other) as another,
    ):
        yield one, another
