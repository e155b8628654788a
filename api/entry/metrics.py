"""Figures and one log line per request, by a plain ASGI middleware."""

from __future__ import annotations

import time
import uuid

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ops.metrics import metrics
from ops.telemetry import tag_request

log = structlog.get_logger()

QUIET = ("/internal/", "/api/health/")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Observed:
    """Wraps the application; knows the route only after it was found (``scope['route']``)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        # A series for each word that somebody sends would be one too many.
        method = scope["method"] if scope["method"] in METHODS else "other"
        status = 500
        begun = complete = False

        async def observe(message: Message) -> None:
            nonlocal status, begun, complete
            begun = True
            complete = message["type"] == "http.response.body" and not message.get("more_body")
            if message["type"] == "http.response.start":
                status = message["status"]
                waited = time.perf_counter() - started
                tag_request(structlog.contextvars.get_contextvars())
                metrics().first_byte(method, _route(scope), waited)
            await send(message)

        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=uuid.uuid4().hex[:16])
        self._open += 1
        metrics().request_begins(self._open)
        try:
            await self._app(scope, receive, observe)
            if begun and not complete:
                # A stream that was cut because this process stops: its reader comes again.
                await send({"type": "http.response.body"})
        finally:
            self._open -= 1
            metrics().request_ended(method, _route(scope), status, self._open)
            if status >= 500 or not scope["path"].startswith(QUIET):
                log.info(
                    "request",
                    method=method,
                    route=_route(scope),
                    status=status,
                    ms=round((time.perf_counter() - started) * 1000, 1),
                )


def _route(scope: Scope) -> str:
    """The route's pattern: a path with ids in it would make a series of its own each."""
    return str(getattr(scope.get("route"), "path", "none"))
