"""The application: its routers, its errors, and what it opens at start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api.bodies import Limits, guard
from api.entry import (
    account,
    admin,
    apps,
    apps_import,
    auth,
    changes,
    data,
    deployments,
    doctor,
    env,
    events,
    figures,
    health,
    internal,
    internal_preview,
    logs,
    nodes,
    problems,
    share_links,
    ssh_keys,
    workspace,
    workspace_code,
    workspace_files,
    workspace_git,
    workspace_terminal,
)
from api.entry.deps import sender
from api.entry.guests import Guests
from api.entry.metrics import Observed
from api.entry.services import Services
from ops.metrics import report_process
from ops.settings import Settings
from ops.telemetry import instrument_fastapi
from ops.temporal import metrics_runtime

DESCRIPTION = """
Accounts, apps, their deployments, and the workspace that they are written in.

Sign in with `POST /api/auth/login` and send the token as `Authorization: Bearer …`. Browsers use
the cookie that comes with it; a write that only the cookie vouches for needs the studio's `Origin`.

A body that is too large is answered with 413, before it is read; one that arrives too slowly
with 408, unless it is an upload.
Every error is `application/problem+json` (RFC 9457) and says what to do in `hint`.
Streams are server-sent events and go on after `Last-Event-ID`.
"""

BODIES: Limits = {
    # A file of 5 MB as base64, or with as much to escape as source code has.
    "/api/workspace/files/content": 8 * 1024 * 1024,
    # A document of 1 MB, as MongoDB stores it: each of many small numbers has its type beside it.
    "/api/apps/{app_id}/data/documents": 4 * 1024 * 1024,
    "/api/workspace/files/upload": None,
    "/api/workspace/files/archive": None,
    "/api/apps/archive": None,
}


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
            asyncio.create_task(Guests(settings, services.database).serve(), name="guests"),
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
        responses=problems.errors(422, 500),
        generate_unique_id_function=lambda route: route.name,
    )
    for module in (
        health,
        auth,
        account,
        apps,
        apps_import,
        env,
        deployments,
        changes,
        events,
        logs,
        figures,
        data,
        ssh_keys,
        nodes,
        admin,
        doctor,
        workspace,
        share_links,
        workspace_files,
        workspace_git,
        workspace_terminal,
        workspace_code,
        internal,
        internal_preview,
    ):
        app.include_router(module.router)
    problems.install(app)
    app.openapi = lambda: problems.describe(app)  # type: ignore[method-assign]
    guard(app, sender, BODIES)
    app.add_middleware(Observed)
    instrument_fastapi(app)
    return app
