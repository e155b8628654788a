"""A good dozen cells of the kill matrix; the whole of it is ``python -m tests.chaos``."""

from __future__ import annotations

import pytest

from tests.chaos.strike import strike
from tests.support.platform import Platform
from tests.support.user import User


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
    platform: Platform, user: User, program: str, stage: str
) -> None:
    outcome = await strike(platform, user, program, stage)
    assert not outcome.wrong, outcome
    assert outcome.status == "SUCCEEDED", outcome
