"""What the entry passes on only now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from api.entry import throttle
from api.entry.throttle import Throttle


class Clock:
    def __init__(self) -> None:
        self.at = 1.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(throttle, "time", made)
    return made


def noting(done: list[int], key: int) -> Callable[[], Coroutine[Any, Any, None]]:
    async def work() -> None:
        await asyncio.sleep(0)
        done.append(key)

    return work


async def test_who_asks_meanwhile_shares_what_is_done(clock: Clock) -> None:
    done: list[int] = []
    once = Throttle(30.0)
    for key, seconds in ((1, 0.0), (1, 29.9), (2, 0.0), (1, 0.1)):
        clock.at += seconds
        await asyncio.gather(*(once.ask(key, noting(done, key)) for _ in range(3)))
    assert done == [1, 2, 1]


async def test_the_oldest_are_forgotten_and_no_other(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "REMEMBERED", 2)
    done: list[int] = []
    once = Throttle(30.0)
    for key, seconds in ((1, 0.0), (2, 0.0), (1, 30.0), (3, 0.0), (1, 1.0), (2, 0.0)):
        clock.at += seconds
        await once.ask(key, noting(done, key))
    assert done == [1, 2, 1, 3, 2]
