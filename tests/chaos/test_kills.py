"""A good dozen cells of the kill matrix; the whole of it is ``python -m tests.chaos``."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.chaos.strike import standing, strike
from tests.support.platform import Platform
from tests.support.user import App, User


@pytest_asyncio.fixture(scope="module")
async def live_app(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[App]:
    """One app for all strikes: what is live is what the strike before has made."""
    async with User.registered(platform.settings, tmp_path_factory.mktemp("chaos")) as user:
        yield await standing(user)


@pytest.mark.parametrize(
    "kills",
    [
        (
            ("gitea", "clone"),
            ("runner-101", "build"),
            ("registry", "push"),
            ("temporal", "start"),
            ("runtime-102", "health"),
            ("traefik-runtime-102", "switch"),
            ("api", "switch"),
            ("control", "soak"),
        ),
        (
            ("control", "clone"),
            ("api", "build"),
            ("runner-101", "push"),
            ("control", "start"),
            ("temporal", "health"),
            ("control", "switch"),
            ("runtime-102", "soak"),
        ),
    ],
    ids=["each program", "mostly control"],
)
async def test_one_deployment_outlives_a_kill_in_every_stage(
    platform: Platform, live_app: App, kills: tuple[tuple[str, str], ...]
) -> None:
    outcome = await strike(platform, live_app, *kills)
    assert not outcome.wrong, outcome
    assert outcome.status == "SUCCEEDED", outcome


@pytest.mark.parametrize(
    ("program", "stage"),
    [
        ("api", "build"),
        ("control", "clone"),
        ("control", "build"),
        ("control", "switch"),
        ("control", "soak"),
        ("runner-101", "clone"),
        ("runner-101", "build"),
        ("runner-101", "push"),
        ("runtime-102", "start"),
        ("runtime-102", "health"),
        ("runtime-102", "soak"),
        ("temporal", "build"),
        ("temporal", "switch"),
        ("traefik-runtime-102", "switch"),
        ("registry", "push"),
        ("gitea", "clone"),
    ],
)
async def test_a_kill_in_the_middle(
    platform: Platform, live_app: App, program: str, stage: str
) -> None:
    outcome = await strike(platform, live_app, (program, stage))
    assert not outcome.wrong, outcome
    assert outcome.status == "SUCCEEDED", outcome
