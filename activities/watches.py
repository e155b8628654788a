"""What a worker looks at again and again: for as long as it runs, or until something has started."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

from ops.errors import PlatformError

log = structlog.get_logger()

SHORTEST_PAUSE = 0.02
LONGEST_PAUSE = 0.25


class Pauses:
    """Between looks at something that starts: each a tenth of what was waited already.

    So a quick start is seen at once, and a slow one is not held up by being looked at.
    """

    def __init__(self) -> None:
        self._begun = time.monotonic()

    async def next(self) -> None:
        waited = time.monotonic() - self._begun
        await asyncio.sleep(min(max(SHORTEST_PAUSE, waited / 10), LONGEST_PAUSE))


async def for_ever(
    name: str,
    look: Callable[[], Awaitable[object]],
    seconds: float,
    *,
    away: tuple[type[Exception], ...] = (),
) -> NoReturn:
    """No error ends it, whatever it is: a watch that ended would leave a disk to everybody.

    ``away``, besides PlatformError: what says that a server is away, which is no fault of the look.
    """
    passes: tuple[type[Exception], ...] = (PlatformError, *away)
    while True:
        try:
            await look()
        except passes as error:
            log.info("watch.server_away", watch=name, error=str(error)[:200])
        except Exception:
            log.exception("watch.failed", watch=name)
        await asyncio.sleep(seconds)
