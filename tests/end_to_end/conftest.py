"""Fixtures of tests that look at the platform from inside user code."""

from __future__ import annotations

import pytest_asyncio

from tests.support.platform import Platform
from tests.support.prober import Probe


@pytest_asyncio.fixture(scope="session")
async def probes(platform: Platform) -> tuple[Probe, Probe]:
    """Live apps of two users, for the whole run."""
    return await Probe.deployed(platform.settings), await Probe.deployed(platform.settings)
