"""What is asked again and again is done now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

REMEMBERED = 10_000


class Throttle:
    """Does a thing at most once in so many seconds for each id; who asks meanwhile shares it.

    A workflow takes a limited number of signals.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._latest: dict[int, tuple[float, asyncio.Task[None]]] = {}

    def ask(self, key: int, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """The task that does it, which others may wait for too: shield it from a cancellation."""
        at = time.monotonic()
        begun, task = self._latest.get(key, (at, None))
        if task is None or at - begun >= self._seconds:
            task = asyncio.create_task(work())
            # The oldest are the first in it, and were done long ago.
            self._latest.pop(key, None)
            self._latest[key] = (at, task)
            if len(self._latest) > REMEMBERED:
                del self._latest[next(iter(self._latest))]
        return task
