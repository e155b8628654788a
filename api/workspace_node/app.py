"""The application that a workspace worker serves on 127.0.0.1; what it trusts is the entry's token.

The entry has checked that app and user belong together. Here nothing outside the user's own disk
and container can be reached, whatever is asked for.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Request
from fastapi.requests import HTTPConnection
from fastapi.responses import JSONResponse
from temporalio.client import Client

from activities.workspace_exec import Execs
from api.workspace_node import (
    archives,
    code,
    files,
    git,
    health,
    missing,
    ready,
    run_log,
    search,
    sockets,
    terminal,
    watch,
)
from api.workspace_node.state import State
from ops.errors import StudioError, Unauthorized, to_problem
from ops.settings import Node, Settings, read_secret


def create_app(settings: Settings, node: Node, client: Client, execs: Execs) -> FastAPI:
    state = State.make(settings, node, client, execs)
    expected = f"Bearer {read_secret(settings, 'entry-token').get_secret_value()}".encode()

    def entry_only(connection: HTTPConnection) -> None:
        given = connection.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, expected):
            raise Unauthorized("only the entry may ask")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        beside = [
            asyncio.create_task(sockets.watch(state, node), name="open previews"),
            asyncio.create_task(missing.watch(state, node), name="missing containers"),
        ]
        yield
        for task in beside:
            task.cancel()
        await state.close()

    app = FastAPI(
        title="Fun AI Studio workspace node",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(entry_only)],
    )
    app.state.node = state

    @app.exception_handler(StudioError)
    async def problem(request: Request, error: StudioError) -> JSONResponse:
        return JSONResponse(
            to_problem(error), status_code=error.status, media_type="application/problem+json"
        )

    parts = (files, archives, search, watch, terminal, code, git, run_log, health, ready)
    for module in parts:
        app.include_router(module.router, prefix="/users/{user_id}")
    return app
