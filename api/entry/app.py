"""The application: its routers, its errors, and what it opens at start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

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
from ops.metrics import report_process
from ops.settings import Settings
from ops.telemetry import instrument_fastapi
from ops.temporal import metrics_runtime

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
        runtime = (
            metrics_runtime(f"127.0.0.1:{settings.ports.entry_metrics}") if serve_metrics else None
        )
        beside = [
            asyncio.create_task(services.reach_temporal(runtime), name="reach temporal"),
            asyncio.create_task(report_process(), name="report process"),
        ]
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await services.close()

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
