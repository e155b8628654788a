"""The application of deploy control's HTTP service; served inside the control worker's process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from activities.database_sizes import DatabaseSizes
from api.bodies import OF_ALL, Limits, guard
from api.deploy_control import apps, checks, data, logs, nodes, registry, secrets, workspaces
from api.deploy_control.auth import Callers, sender
from api.deploy_control.registry_tokens import BuildPasswords, RegistryIssuer
from api.deploy_control.state import State
from ops.crypto import Vault
from ops.db.session import Database
from ops.errors import StudioError, Unauthorized, to_problem
from ops.logstore import LogStore
from ops.settings import Settings, read_secret
from ops.telemetry import instrument_fastapi

BODIES: Limits = {
    "/deployments/{deployment_id}/log": 8 * 1024 * 1024,
    "/apps/{app_id}/data": 8 * 1024 * 1024,
}


def create_app(
    settings: Settings,
    database: Database,
    vault: Vault,
    log_store: LogStore | None = None,
    sizes: DatabaseSizes | None = None,
) -> FastAPI:
    """Needs every node's token, the entry's, the control token and the registry's key to exist.

    Give the process's one ``log_store`` when something else there writes logs too, and the
    ``sizes`` that it watches.
    """
    callers = Callers.load(settings)
    control = read_secret(settings, "control-token").get_secret_value()
    agents = httpx.AsyncClient(
        headers={"Authorization": f"Bearer {control}"}, timeout=10.0, trust_env=False
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await agents.aclose()

    # No description of itself: `ADD http://…` of a build can read whatever needs no token here.
    app = FastAPI(title="Fun AI Studio: deploy control", lifespan=lifespan, openapi_url=None)
    app.state.callers = callers
    app.state.state = State(
        settings=settings,
        database=database,
        vault=vault,
        logs=log_store or LogStore.open(settings),
        sizes=sizes or DatabaseSizes(settings),
        agents=agents,
        registry=RegistryIssuer.open(settings, callers),
        passwords=BuildPasswords.open(settings),
    )
    app.add_exception_handler(StudioError, _problem)
    for module in (logs, secrets, registry, apps, workspaces, nodes, data, checks):
        app.include_router(module.router)

    @app.get("/health/live", tags=["health"])
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    # The entry asks for everybody, and has counted for each.
    guard(app, sender, BODIES, of_one=OF_ALL)
    instrument_fastapi(app)
    return app


async def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StudioError)
    scheme = "Basic" if request.url.path == "/registry/token" else "Bearer"
    headers = {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = f'{scheme} realm="studio"'
    return JSONResponse(
        to_problem(error),
        status_code=error.status,
        headers=headers,
        media_type="application/problem+json",
    )
