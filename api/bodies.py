"""What a request's body may hold, seen before it is read.

FastAPI reads a body whole before it asks who sent it. So each piece of a body passes here first: of
whoever is unknown only little gets through, enough to sign in with; of who is known as much as the
endpoint takes; and what is held of all bodies at a time has an end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ops.error_codes import ErrorCode
from ops.errors import LimitReached, TooLarge

UNKNOWN = 16 * 1024
"""Bytes of whoever is unknown."""
KNOWN = 1024 * 1024
"""Of who is known, where no limit is given: a commit that names a thousand paths is the largest."""
OF_ONE = 16 * 1024 * 1024
"""Held at a time of all that one has sent; small bodies do not count."""
OF_ALL = 128 * 1024 * 1024

Who = Callable[[Request], Awaitable[Hashable]]
"""Who sends a request. Raises Unauthorized for whoever is unknown."""
Limits = Mapping[str, int | None]
"""By the path of a route. None: it passes on what comes, and keeps nothing."""


def guard(app: FastAPI, who: Who, limits: Limits, of_one: int = OF_ONE) -> None:
    app.add_middleware(Bodies, who=who, limits=limits, of_one=of_one)
    app.add_exception_handler(Refused, _reason)


class Refused(HTTPException):
    """FastAPI lets no other kind of error through that reading a body ends with."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(400)
        self.reason = reason


async def _reason(request: Request, error: Exception) -> Response:
    """Answered as if an endpoint had raised it."""
    assert isinstance(error, Refused)
    raise error.reason


@dataclass
class _Body:
    request: Request
    announced: int
    taken: int = 0
    held: int = 0
    sender: Hashable = None


class Bodies:
    """Plain ASGI, around an application."""

    def __init__(self, app: ASGIApp, who: Who, limits: Limits, of_one: int) -> None:
        self._app = app
        self._who = who
        self._limits = limits
        self._of_one = of_one
        self._held: Counter[Hashable] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        body = _Body(request, announced=int(request.headers.get("content-length", 0)))

        async def checked() -> Message:
            await self._take(body, 0)
            message = await receive()
            await self._take(body, len(message.get("body", b"")))
            return message

        try:
            await self._app(scope, checked, send)
        finally:
            self._held -= Counter({body.sender: body.held})

    async def _take(self, body: _Body, size: int) -> None:
        body.taken += size
        whole = max(body.taken, body.announced)
        if whole <= UNKNOWN:
            return
        try:
            body.sender = body.sender or await self._who(body.request)
        except Exception as error:
            raise Refused(error) from None
        path = getattr(body.request.scope.get("route"), "path", "")
        limit = self._limits.get(path, KNOWN)
        if limit is None:
            return
        if whole > limit:
            raise Refused(TooLarge("this is too large to be sent", code=ErrorCode.BODY_TOO_LARGE))
        self._held[body.sender] += body.taken - body.held
        body.held = body.taken
        if self._held[body.sender] > self._of_one or self._held.total() > OF_ALL:
            raise Refused(
                LimitReached(
                    "too much is sent at once",
                    code=ErrorCode.TOO_MANY_REQUESTS,
                    hint="try again in a few seconds",
                )
            )
