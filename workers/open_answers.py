"""Streams that would go on end in order when their process stops; their readers come again."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class OpenAnswers:
    """Plain ASGI, around an application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._streams: set[asyncio.Task[None]] = set()

    def end(self) -> None:
        """Cuts every stream; requests that are answered in one piece go on."""
        for stream in self._streams:
            stream.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = complete = False

        async def observe(message: Message) -> None:
            nonlocal begun, complete
            begun = True
            complete = message["type"] == "http.response.body" and not message.get("more_body")
            if message.get("more_body"):
                self._streams.add(answering)
            await send(message)

        async def answer() -> None:
            await self._app(scope, receive, observe)

        answering = asyncio.create_task(answer())
        try:
            await asyncio.wait([answering])
        except asyncio.CancelledError:
            answering.cancel()
            await asyncio.wait([answering])
            raise
        finally:
            self._streams.discard(answering)
        if not answering.cancelled():
            answering.result()
        if begun and not complete:
            await send({"type": "http.response.body"})
