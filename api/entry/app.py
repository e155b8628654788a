"""The application: its routers, its errors, and what it opens at start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import start_http_server

from api.entry import (
    apps,
    auth,
    deployments,
    env,
    events,
    health,
    internal,
    logs,
    nodes,
    problems,
    ssh_keys,
)
from api.entry.metrics import Observed
from api.entry.services import Services
from ops.settings import Settings
from ops.telemetry import instrument_fastapi

DESCRIPTION = """
Accounts, apps and their deployments.

Sign in with `POST /api/auth/login` and send the token as `Authorization: Bearer …`. Browsers use
the cookie that comes with it; a write that only the cookie vouches for needs the studio's `Origin`.

Every error is `application/problem+json` (RFC 9457) and says what to do in `hint`.
Streams are server-sent events and go on after `Last-Event-ID`.
"""


def create_app(settings: Settings, *, serve_metrics: bool = True) -> FastAPI:
    """The API of one platform. It answers at once; what is still away makes it answer 503."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = Services.make(settings)
        app.state.services = services
        exporter = (
            start_http_server(settings.ports.entry_metrics, addr="127.0.0.1")
            if serve_metrics
            else None
        )
        reaching = asyncio.create_task(services.reach_temporal(), name="reach temporal")
        try:
            yield
        finally:
            reaching.cancel()
            await asyncio.gather(reaching, return_exceptions=True)
            await services.close()
            if exporter is not None:
                exporter[0].shutdown()
                exporter[0].server_close()

    app = FastAPI(
        title="Fun AI Studio",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=problems.errors(422),
        generate_unique_id_function=lambda route: route.name,
    )
    for module in (
        health,
        auth,
        apps,
        env,
        deployments,
        events,
        logs,
        ssh_keys,
        nodes,
        internal,
    ):
        app.include_router(module.router)
    problems.install(app)
    app.openapi = lambda: problems.describe(app)  # type: ignore[method-assign]
    app.add_middleware(Observed)
    instrument_fastapi(app)
    return app
