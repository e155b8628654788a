"""Every error as RFC 9457 problem details, mapped here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from temporalio.service import RPCError

from api.entry.examples import add_examples
from ops.error_codes import ErrorCode
from ops.errors import (
    Conflict,
    LimitReached,
    NodeUnavailable,
    PlatformError,
    StudioError,
    Unauthorized,
    to_problem,
)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
_OUR_FAULT = frozenset({1054, 1064, 1146, 1366})
"""MariaDB's numbers for what waiting does not mend: no such column or table, no valid statement."""

_LIMITS = ("min_length", "max_length", "ge", "le", "gt", "lt")

log = structlog.get_logger()


class FieldError(BaseModel):
    field: str = Field(examples=["body.name"])
    what: str = Field(examples=["Field required"])
    code: str = Field(
        examples=["missing"], description="For a translation of ``what``: pydantic's, or ErrorCode"
    )
    values: dict[str, str | float] = Field(
        examples=[{"limit": 100}], description="What a translation names"
    )


class Problem(BaseModel):
    """An error: what happened and what to do about it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:fun-ai-studio:Conflict",
                    "title": "Not possible now",
                    "status": 409,
                    "detail": "the app is being deployed",
                    "hint": "wait for it, or deploy with on_busy=queue",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    hint: str | None = None
    field: str | None = None
    code: ErrorCode | None = Field(default=None, description="For a translation of ``detail``")
    values: dict[str, str | float] | None = Field(
        default=None, description="What a translation names"
    )
    errors: list[FieldError] | None = None


_MEANING = {
    401: "Nobody is signed in",
    403: "Signed in, and not allowed",
    404: "There is no such thing, or it belongs to somebody else",
    409: "Not possible in the present state",
    412: "Somebody else changed it since it was read",
    422: "What was sent makes no sense",
    429: "A limit is reached",
    500: "A fault of the platform; it is logged",
    503: "A part of the platform is away just now",
    507: "The workspace's disk is full",
}

Responses = dict[int | str, dict[str, Any]]


def errors(*statuses: int) -> Responses:
    """``responses`` of an endpoint that can fail so."""
    return {
        status: {
            "description": _MEANING[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the schema that every error's description points to."""
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs", {}))
        schemas["Problem"] = problem
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        add_examples(schemas)
        app.openapi_schema = document
    return app.openapi_schema


def answer(error: StudioError, headers: dict[str, str] | None = None) -> JSONResponse:
    sent = dict(headers or {})
    if isinstance(error, Unauthorized):
        sent["WWW-Authenticate"] = "Bearer"
    if isinstance(error, NodeUnavailable | LimitReached):
        sent.setdefault("Retry-After", str(RETRY_SECONDS))
    return JSONResponse(
        to_problem(error), status_code=error.status, headers=sent, media_type=MEDIA_TYPE
    )


def _plain(status: int, title: str, detail: str, **more: Any) -> JSONResponse:
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(problem, status_code=status, media_type=MEDIA_TYPE)


async def _studio_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StudioError)
    if error.status >= 500:
        log.warning("request.failed", what=error.what, hint=error.hint, kind=type(error).__name__)
    if isinstance(error, PlatformError):
        # What another server answered is for the operator's log, not for everybody.
        error = PlatformError(
            error.what,
            code=error.code,
            values=error.values,
            hint="this is a fault of the platform; it is logged",
        )
    return answer(error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = [
        {
            "field": ".".join(str(part) for part in item["loc"]),
            "what": str(item["msg"]).removeprefix("Value error, "),
            "code": item["type"],
            "values": _values(item.get("ctx", {})),
        }
        for item in error.errors()
    ]
    detail = "; ".join(f"{item['field']}: {item['what']}" for item in found[:5])
    return _plain(422, "Invalid input", detail, errors=found)


def _values(context: Mapping[str, Any]) -> dict[str, str | float]:
    """What is plain of a check's own words; every limit is called one."""
    plain = {name: told for name, told in context.items() if isinstance(told, str | int | float)}
    plain.pop("what", None)
    return {("limit" if name in _LIMITS else name): told for name, told in plain.items()}


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    made = _plain(error.status_code, str(error.detail), f"{request.method} {request.url.path}")
    made.headers.update(error.headers or {})
    return made


async def _collision(request: Request, error: Exception) -> JSONResponse:
    # Two requests met; what each checks beforehand tells the usual case in better words.
    log.warning("request.collided", path=request.url.path)
    return answer(
        Conflict(
            "somebody changed this at the same moment", code=ErrorCode.COLLIDED, hint="try again"
        )
    )


async def _database(request: Request, error: Exception) -> JSONResponse:
    cause = getattr(error, "orig", None)
    if cause is not None and cause.args and cause.args[0] in _OUR_FAULT:
        log.error("request.database_refused", path=request.url.path, exc_info=error)
        return _fault()
    log.warning("request.database_away", error=str(cause or type(error).__name__))
    return answer(
        NodeUnavailable(
            "the records do not answer just now", code=ErrorCode.RECORDS_AWAY, hint="try again soon"
        )
    )


async def _temporal(request: Request, error: Exception) -> JSONResponse:
    log.warning("request.temporal_away", error=str(error)[:300])
    return answer(
        NodeUnavailable(
            "the deploy control does not answer just now",
            code=ErrorCode.CONTROL_AWAY,
            hint="try again in a minute",
        )
    )


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # The server logs the traceback itself, with the ids of the request.
    log.error("request.broken", path=request.url.path, error=type(error).__name__)
    return _fault()


def _fault() -> JSONResponse:
    return _plain(
        500,
        "Something went wrong",
        "this is a fault of the platform; it is logged",
        code=ErrorCode.FAULT,
        values={},
    )


def install(app: FastAPI) -> None:
    app.add_exception_handler(StudioError, _studio_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(IntegrityError, _collision)
    for away in (OperationalError, InterfaceError, PoolTimeout):
        app.add_exception_handler(away, _database)
    app.add_exception_handler(RPCError, _temporal)
    app.add_exception_handler(Exception, _unexpected)
