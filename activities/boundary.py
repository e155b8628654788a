"""Every activity's boundary: errors become Temporal's, and it gives signs of life."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

from temporalio import activity

from ops.errors import StudioError, to_application_error

P = ParamSpec("P")
R = TypeVar("R")

HEARTBEAT_SECONDS = 1.0


def reports_errors(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """An error of our tree leaves the activity as an ApplicationError that carries its report.

    Goes under ``@activity.defn``. Anything else is left alone: Temporal retries it as it is.
    """

    @functools.wraps(function)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await function(*args, **kwargs)
        except StudioError as error:
            raise to_application_error(error) from error

    return wrapped


@asynccontextmanager
async def heartbeating(every: float = HEARTBEAT_SECONDS) -> AsyncIterator[None]:
    """Heartbeats while the body runs.

    Heartbeats are also how a cancellation arrives: the SDK then cancels the activity's task, and
    the body sees ``asyncio.CancelledError`` at its next await. Outside an activity (unit tests)
    it does nothing.
    """
    if not activity.in_activity():
        yield
        return
    beating = asyncio.create_task(_beat(every))
    try:
        yield
    finally:
        beating.cancel()


async def _beat(every: float) -> None:
    while True:
        # Not at once: most activities are short, and Temporal writes each heartbeat to its disk.
        await asyncio.sleep(every)
        activity.heartbeat()


async def all_ended(*calls: Awaitable[object]) -> None:
    """Side by side, and to the end of each: only then the first error is raised."""
    for result in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a blocking call in a thread; a cancellation is let through only once the call has ended.

    Else the thread would run on after the activity (``asyncio.to_thread`` does so), and make a
    thing that the undo has just confirmed gone. Calls given to it have short timeouts.
    """
    call = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait([call])
        if not call.cancelled():
            call.exception()
        raise
