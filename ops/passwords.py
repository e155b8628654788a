"""Passwords: Argon2 hashes, made and checked in a thread, few at a time."""

from __future__ import annotations

import asyncio
from functools import cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

MIN_LENGTH = 10
MAX_LENGTH = 256

# Each hash takes 19 MB and a core for its time: many sign-ins at once wait instead of swapping.
_AT_ONCE = 2


def _argon2() -> Argon2Hasher:
    """As OWASP's Password Storage Cheat Sheet has it (decision 22): 19 MiB, twice, on one core."""
    return Argon2Hasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)


class Passwords:
    """One a process."""

    def __init__(self) -> None:
        self._argon2 = _argon2()
        self._hasher = PasswordHash((self._argon2,))
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, password: str, hashed: str | None) -> bool:
        """False, after the same time, for an unknown person (``hashed`` None) too."""
        async with self._slots:
            return await asyncio.to_thread(self._verify, password, hashed)

    async def renewed(self, password: str, hashed: str) -> str | None:
        """A hash in place of one that was made with other costs; None when it is as today's."""
        return await self.hash(password) if self._argon2.check_needs_rehash(hashed) else None

    def _verify(self, password: str, hashed: str | None) -> bool:
        matches = self._hasher.verify(password, hashed or _nobody())
        return matches and hashed is not None


@cache
def _nobody() -> str:
    return _argon2().hash("nobody has this password")
