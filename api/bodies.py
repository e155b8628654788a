"""What a request's body may hold, seen before it is read.

FastAPI reads a body whole before it asks who sent it. So each piece of a body passes here first: of
whoever is unknown only little gets through, enough to sign in with; of who is known as much as the
endpoint takes; and what is held of all bodies at a time has an end, as has the time that each takes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ops.error_codes import ErrorCode
from ops.errors import LimitReached, TooLarge, TooSlow

UNKNOWN = 16 * 1024
"""Bytes of whoever is unknown."""
KNOWN = 1024 * 1024
"""Of who is known, where no limit is given: a commit that names a thousand paths is the largest."""
OF_ONE = 16 * 1024 * 1024
"""Held at a time of all that one has sent; small bodies do not count."""
OF_ALL = 128 * 1024 * 1024
PATIENCE = 20.0
"""Seconds that even the smallest body may take: lines lose packets, and are away for moments."""
PACE = 64 * 1024
"""Bytes for which it may take a second more: half a megabit, what a slow line has left for it."""
LINGER = 1.0
"""Seconds in which whoever was too slow reads that, before the connection is closed."""

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
    begun: float
    taken: int = 0
    held: int = 0
    sender: Hashable = None
    ended: bool = False
    late: bool = False
    answered: bool = False

    @property
    def size(self) -> int:
        """As far as it is known."""
        return max(self.taken, self.announced)


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
        announced = int(request.headers.get("content-length", 0))
        body = _Body(request, announced, begun=asyncio.get_running_loop().time())

        async def checked() -> Message:
            await self._take(body, 0)
            message = await self._next(body, receive)
            body.ended = not message.get("more_body")
            await self._take(body, len(message.get("body", b"")))
            return message

        async def observed(message: Message) -> None:
            body.answered = True
            if body.late:
                await _send_last(message, receive, send)
            else:
                await send(message)

        try:
            await self._app(scope, checked, observed)
        finally:
            self._held -= Counter({body.sender: body.held})

    async def _next(self, body: _Body, receive: Receive) -> Message:
        """The next piece, if it comes in time; after the last, that the sender goes, whenever it does.

        What is passed on is not held: nginx ends it when nothing comes for a minute.
        """
        if body.ended or self._limit(body) is None:
            return await receive()
        try:
            async with asyncio.timeout_at(body.begun + PATIENCE + body.size / PACE):
                return await receive()
        except TimeoutError:
            if body.answered:
                # Nobody asked for the body, and an answer that began cannot become another one.
                return await receive()
            body.late = True
            raise Refused(
                TooSlow(
                    "this takes too long to arrive",
                    code=ErrorCode.BODY_TOO_SLOW,
                    hint="try again, on a faster line if you can",
                )
            ) from None

    def _limit(self, body: _Body) -> int | None:
        return self._limits.get(getattr(body.request.scope.get("route"), "path", ""), KNOWN)

    async def _take(self, body: _Body, size: int) -> None:
        body.taken += size
        if body.size <= UNKNOWN:
            return
        try:
            body.sender = body.sender or await self._who(body.request)
        except Exception as error:
            raise Refused(error) from None
        limit = self._limit(body)
        if limit is None:
            return
        if body.size > limit:
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


async def _send_last(message: Message, receive: Receive, send: Send) -> None:
    """As the last answer of its connection. What comes after that was closed would reset it, and
    the answer be lost: so what comes now is thrown away, for a moment.
    """
    if message["type"] == "http.response.start":
        headers = [*message.get("headers", ()), (b"connection", b"close")]
        await send({**message, "headers": headers})
    elif message.get("more_body"):
        await send(message)
    else:
        await send({**message, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while (await receive()).get("more_body"):
                    pass
        await send({"type": "http.response.body"})
