"""Longer blocking work in a thread, which a cancel really ends.

``asyncio.to_thread`` alone lets the thread run on after a cancel, and the cleanup that follows then
works beside it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """Raised inside the thread: nobody waits for its result any more."""


class Stop:
    """Asked by blocking work wherever it can end. Its sockets have short timeouts."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def check(self) -> None:
        """Raises Stopped after a cancel."""
        if self._event.is_set():
            raise Stopped


async def in_stoppable_thread(work: Callable[[Stop], T]) -> T:
    """Runs ``work`` in a thread. A cancel tells it to stop, and is passed on once it has ended."""
    stop = Stop()
    running = asyncio.create_task(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.set()
        while not running.done():
            # A second cancel must not let the cleanup overtake the thread either.
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError:
                continue
        # Whatever it ended with, the cancel is what happened.
        running.exception()
        raise
