"""Prometheus figures and one log line per request, by a plain ASGI middleware."""

from __future__ import annotations

import time
import uuid

import structlog
from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

REQUESTS = Counter(
    "studio_http_requests", "Requests by route and status", ["method", "route", "status"]
)
SECONDS = Histogram(
    "studio_http_first_byte_seconds",
    "Time to the first byte of the answer",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
OPEN = Gauge("studio_http_requests_open", "Requests that are being answered, streams among them")
QUIET = ("/internal/", "/api/health/")


class Observed:
    """Wraps the application; knows the route only after it was found (``scope['route']``)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def observe(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                SECONDS.labels(scope["method"], _route(scope)).observe(
                    time.perf_counter() - started
                )
            await send(message)

        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=uuid.uuid4().hex[:16])
        OPEN.inc()
        try:
            await self._app(scope, receive, observe)
        finally:
            OPEN.dec()
            REQUESTS.labels(scope["method"], _route(scope), str(status)).inc()
            if status >= 500 or not scope["path"].startswith(QUIET):
                log.info(
                    "request",
                    method=scope["method"],
                    route=_route(scope),
                    status=status,
                    ms=round((time.perf_counter() - started) * 1000, 1),
                )


def _route(scope: Scope) -> str:
    """The route's pattern: a path with ids in it would make a series of its own each."""
    return str(getattr(scope.get("route"), "path", "none"))
