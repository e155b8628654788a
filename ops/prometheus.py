"""Reading series from the platform's Prometheus."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

from ops.error_codes import ErrorCode
from ops.errors import NodeUnavailable
from ops.settings import Settings

TIMEOUT = httpx.Timeout(5.0, connect=2.0)


@dataclass(frozen=True)
class Window:
    """Times at which values are wanted: ``start`` and ``end`` in Unix seconds, every ``step``."""

    start: int
    end: int
    step: int

    @classmethod
    def last(cls, seconds: int, step: int) -> Window:
        """Up to now, at multiples of ``step``, so that two calls tell the same points."""
        end = int(time.time()) // step * step
        return cls(start=end - seconds, end=end, step=step)


class Prometheus:
    """Every call raises NodeUnavailable when Prometheus is away or does not answer as it should."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    @classmethod
    def connect(cls, settings: Settings) -> Prometheus:
        return cls(
            httpx.AsyncClient(base_url=settings.prometheus_url, timeout=TIMEOUT, trust_env=False)
        )

    async def __aenter__(self) -> Prometheus:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()

    async def series(self, expression: str, window: Window) -> dict[int, float]:
        """Value by time of the one series that ``expression`` names; times without one are absent."""
        found = await self._data(
            "/api/v1/query_range",
            {
                "query": expression,
                "start": str(window.start),
                "end": str(window.end),
                "step": str(window.step),
            },
        )
        try:
            values = found["result"][0]["values"] if found["result"] else []
            return {int(at): float(value) for at, value in values}
        except (KeyError, TypeError, ValueError) as error:
            raise _away(f"an answer of another form ({type(error).__name__})") from error

    async def _data(self, path: str, params: dict[str, str]) -> Any:
        try:
            answer = await self._client.get(path, params=params)
            answer.raise_for_status()
            return answer.json()["data"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise _away(type(error).__name__) from error


def _away(why: str) -> NodeUnavailable:
    return NodeUnavailable(
        f"the figures cannot be read just now: {why}",
        code=ErrorCode.FIGURES_AWAY,
        values={"why": why},
        hint="Prometheus may be starting; try again",
    )
