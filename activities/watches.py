"""What a worker looks at again and again for as long as it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

from ops.errors import PlatformError

log = structlog.get_logger()


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
