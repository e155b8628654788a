"""What a build needs is asked for once by its steps, and anew when time has passed."""

from __future__ import annotations

from typing import Any

import pytest

from activities.build_secrets import KEPT_SECONDS, RunnerSecrets


class Control:
    """7002, which gives others each time."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def build_secrets(self, deployment_id: int) -> object:
        self.asked.append(deployment_id)
        return object()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("activities.build_secrets.time.monotonic", lambda: now[0])
    return now


async def test_the_steps_of_one_build_ask_once(clock: list[float]) -> None:
    control: Any = Control()
    secrets = RunnerSecrets(control)
    first = await secrets.ask(1)
    clock[0] += KEPT_SECONDS
    assert await secrets.of(1) is first
    assert await secrets.of(2) is not first
    assert control.asked == [1, 2]


async def test_old_ones_are_used_no_more(clock: list[float]) -> None:
    """Its passwords end some minutes after the longest build could."""
    control: Any = Control()
    secrets = RunnerSecrets(control)
    first = await secrets.ask(1)
    clock[0] += KEPT_SECONDS + 1
    second = await secrets.of(1)
    assert second is not first
    assert await secrets.of(1) is second
    await secrets.ask(1)
    assert control.asked == [1, 1, 1], "a clone always asks"


async def test_nothing_is_kept_of_what_has_ended(clock: list[float]) -> None:
    control: Any = Control()
    secrets = RunnerSecrets(control)
    await secrets.ask(1)
    secrets.forget(1)
    secrets.forget(1)
    assert secrets._kept == {}
    await secrets.ask(2)
    clock[0] += KEPT_SECONDS + 1
    await secrets.ask(3)
    assert list(secrets._kept) == [3]
