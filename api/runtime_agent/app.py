"""Logs of an app's containers on this node, for the control host alone."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, Header, Query
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, SecretStr
from starlette.requests import Request

from activities.container_logs import follow_logs
from activities.containers import Containers
from activities.contracts.runtime import RouteTarget
from activities.routes import Routes
from ops.engine_ping import trouble
from ops.errors import NotFound, StudioError, Unauthorized, to_problem
from ops.plain_http import NO_CERTIFICATES
from ops.settings import Settings, read_secret

MAX_TAIL = 5000
ANSWER_SECONDS = 1.5


class Health(BaseModel):
    """``engine`` and ``answers``: what is wrong, empty when nothing is. Releases by their ids."""

    engine: str
    running: list[int] = []
    route: int | None = None
    answers: str = ""


def create_app(settings: Settings, containers: Containers, routes: Routes) -> FastAPI:
    """The app that the runtime worker serves on 127.0.0.1."""
    token = read_secret(settings, "control-token")
    app = FastAPI(title="Fun AI Studio runtime agent", openapi_url=None, docs_url=None)

    @app.exception_handler(StudioError)
    async def problem(request: Request, error: StudioError) -> JSONResponse:
        return JSONResponse(
            to_problem(error), status_code=error.status, media_type="application/problem+json"
        )

    def control_only(authorization: Annotated[str, Header()] = "") -> None:
        if not _matches(authorization, token):
            raise Unauthorized("only the control host may ask")

    async def serving(app_id: int) -> str:
        seen = [one for one in await containers.seen_of(app_id) if one.running]
        if not seen:
            raise NotFound("no container of this app runs here", hint="start or deploy the app")
        return max(seen, key=lambda one: one.release_id).name

    @app.get("/apps/{app_id}/logs", dependencies=[Depends(control_only)])
    async def logs(
        app_id: int,
        tail: Annotated[int, Query(ge=0, le=MAX_TAIL)] = 200,
        follow: bool = False,
    ) -> StreamingResponse:
        name = await serving(app_id)
        lines: AsyncIterator[bytes] = follow_logs(containers, name, tail=tail, follow=follow)
        return StreamingResponse(lines, media_type="text/plain; charset=utf-8")

    @app.get("/health", dependencies=[Depends(control_only)])
    async def health(app_id: int | None = None) -> Health:
        engine = await asyncio.to_thread(trouble, settings.docker_socket)
        if app_id is None or engine:
            return Health(engine=engine)
        running = [seen.release_id for seen in await containers.seen_of(app_id) if seen.running]
        target = routes.current(app_id)
        return Health(
            engine=engine,
            running=running,
            route=target.release_id if target else None,
            answers=await _answers(target) if target else "",
        )

    return app


async def _answers(target: RouteTarget) -> str:
    """Why the app does not answer at its own address; empty when it does, whatever it says."""
    url = f"http://{target.address}:{target.port}/"
    try:
        async with (
            httpx.AsyncClient(
                timeout=ANSWER_SECONDS, trust_env=False, verify=NO_CERTIFICATES
            ) as client,
            client.stream("GET", url) as answer,
        ):
            return "" if answer.status_code < 500 else f"it answers {answer.status_code}"
    except httpx.HTTPError as error:
        return f"it does not answer ({type(error).__name__})"


def _matches(authorization: str, token: SecretStr) -> bool:
    return hmac.compare_digest(
        authorization.encode(), f"Bearer {token.get_secret_value()}".encode()
    )
