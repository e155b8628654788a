"""A live app's own log on its way through deploy control."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import httpx

from api.deploy_control.apps import logs
from api.deploy_control.state import State
from ops.logtext import MAX_LINE
from ops.settings import Settings

CHUNK = b"x" * 16_384


class Endless(httpx.AsyncByteStream):
    """50 MB without a line's end; ``most`` is how much was asked for between two pieces."""

    def __init__(self) -> None:
        self.held = self.most = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(50 * 64):
            self.held += len(CHUNK)
            self.most = max(self.most, self.held)
            yield CHUNK


async def test_an_app_that_ends_no_line_takes_no_memory() -> None:
    body = Endless()
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=body))

    async def app(_: int) -> Any:
        return SimpleNamespace(node_id="runtime-102", live_deployment_id=1, stopped=False)

    async with httpx.AsyncClient(transport=transport) as agents:
        state = cast(State, SimpleNamespace(agents=agents, settings=Settings(), app=app))
        answer = await logs(3, cast(Any, None), state, tail=10, follow=True)
        async for piece in answer.body_iterator:
            assert len(piece) < 2 * MAX_LINE
            body.held = 0
    assert 0 < body.most <= MAX_LINE + len(CHUNK)
