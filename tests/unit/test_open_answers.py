"""Streams end in order when their process stops; whole answers are not touched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from starlette.types import Message

from workers.open_answers import OpenAnswers

SCOPE = {"type": "http", "method": "GET", "headers": [], "query_string": b"", "path": "/"}


class Client:
    """Asks once and keeps what it is sent."""

    def __init__(self, answers: OpenAnswers, path: str) -> None:
        self.sent: list[Message] = []
        self.first = asyncio.Event()
        self._asked = False
        self.done = asyncio.create_task(
            answers(SCOPE | {"path": path, "raw_path": path.encode()}, self._receive, self._send)
        )

    async def _receive(self) -> Message:
        if self._asked:
            await asyncio.Event().wait()
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        if message.get("body"):
            self.first.set()


@pytest.fixture
def answers() -> OpenAnswers:
    app = FastAPI()

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def lines() -> AsyncIterator[bytes]:
            yield b"first\n"
            await asyncio.Event().wait()

        return StreamingResponse(lines())

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(0.1)
        return "whole"

    return OpenAnswers(app)


async def test_a_stream_is_ended_in_order(answers: OpenAnswers) -> None:
    client = Client(answers, "/stream")
    await client.first.wait()
    answers.end()
    await asyncio.wait_for(client.done, 1)
    assert [message["type"] for message in client.sent][-1] == "http.response.body"
    assert not client.sent[-1].get("more_body")


async def test_an_answer_in_one_piece_goes_on(answers: OpenAnswers) -> None:
    client = Client(answers, "/slow")
    await asyncio.sleep(0.02)
    answers.end()
    await asyncio.wait_for(client.done, 1)
    assert b"".join(message.get("body", b"") for message in client.sent) == b'"whole"'


async def test_who_gives_up_waiting_ends_the_work(answers: OpenAnswers) -> None:
    client = Client(answers, "/stream")
    await client.first.wait()
    client.done.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.done
