"""Waiting for what is measured; none of it without an end."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from ops.errors import PlatformError

WAIT_SECONDS = 180.0
#: A part of what is measured, and so short.
POLL_SECONDS = 0.005


def until(holds: Callable[[], bool], what: str) -> None:
    """Raises PlatformError when it does not hold in time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise PlatformError(f"the benchmark waited in vain: {what}")
        time.sleep(POLL_SECONDS)


def until_answers(url: str) -> None:
    """Until it answers 200. Raises PlatformError when it does not in time."""
    with httpx.Client(timeout=1, trust_env=False) as client:

        def answers() -> bool:
            try:
                return client.get(url).status_code == httpx.codes.OK
            except httpx.TransportError:
                return False

        until(answers, f"{url} answers")
