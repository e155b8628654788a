"""What the platform's Prometheus has scraped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from ops.settings import Settings

Sample = tuple[dict[str, str], float]


class Prometheus:
    def __init__(self, settings: Settings) -> None:
        self._base = f"http://127.0.0.1:{settings.ports.prometheus}/api/v1"

    async def targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self._get("/targets"))["activeTargets"]
        return found

    async def rules(self) -> list[dict[str, Any]]:
        groups = (await self._get("/rules"))["groups"]
        return [rule for group in groups for rule in group["rules"]]

    async def query(self, expression: str) -> list[Sample]:
        """The value now of each series that the expression names."""
        found = await self._get("/query", query=expression)
        return [(one["metric"], float(one["value"][1])) for one in found["result"]]

    async def until(
        self, expression: str, holds: Callable[[list[Sample]], bool], seconds: float = 30
    ) -> list[Sample]:
        """Ask until it holds: what has just happened is seen at the next scrape."""
        found: list[Sample] = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    found = await self.query(expression)
                    if holds(found):
                        return found
                    await asyncio.sleep(1)
        except TimeoutError:
            raise AssertionError(f"{expression} is {found} after {seconds} s") from None

    async def _get(self, path: str, **params: str) -> dict[str, Any]:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            answer = await client.get(self._base + path, params=params)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data
