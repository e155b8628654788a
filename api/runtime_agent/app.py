"""Logs and figures of an app's containers on this node, for the control host alone."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Query
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import SecretStr
from starlette.requests import Request

from activities.container_logs import follow_logs, stats
from activities.containers import Containers
from ops.errors import NotFound, StudioError, Unauthorized, to_problem
from ops.settings import Settings, read_secret

MAX_TAIL = 5000


def create_app(settings: Settings, containers: Containers) -> FastAPI:
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

    @app.get("/apps/{app_id}/stats", dependencies=[Depends(control_only)])
    async def app_stats(app_id: int) -> dict[str, Any]:
        return await stats(containers, await serving(app_id))

    return app


def _matches(authorization: str, token: SecretStr) -> bool:
    return hmac.compare_digest(
        authorization.encode(), f"Bearer {token.get_secret_value()}".encode()
    )
