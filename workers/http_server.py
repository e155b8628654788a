"""A worker's own HTTP surface. Apart from the rest: a worker without one does not load it."""

from __future__ import annotations

import asyncio
import contextlib

import uvicorn
from fastapi import FastAPI

from workers.open_answers import OpenAnswers


class HttpServer:
    """A FastAPI app served inside the worker's own loop, without signal handlers of its own."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._answers = OpenAnswers(app)
        self._server = _QuietServer(
            uvicorn.Config(
                self._answers,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=1,
                lifespan="on",
            )
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop``; a server that cannot listen ends the process (and is restarted)."""
        serving = asyncio.create_task(self._server.serve())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        self._server.should_exit = True
        self._answers.end()
        stopping.cancel()
        await serving
        stop.set()


class _QuietServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield
