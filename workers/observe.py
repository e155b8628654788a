"""What an operator sees of activities: a line each with its ids, the ids in whatever is logged
meanwhile and in the span, and a failure in a line of words."""

from __future__ import annotations

import time
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

log = structlog.get_logger()

IDS = ("deployment_id", "app_id", "user_id", "node_id")


class ObservedActivities(Interceptor):
    """Goes after tracing, within whose span the activity then runs."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Activity(next)


class _Activity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        found = ids_of(input.args[0]) if input.args else {}
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attributes({name: str(value) for name, value in found.items()})
            span.set_attribute("attempt", activity.info().attempt)
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(**found):
            try:
                result = await super().execute_activity(input)
            except ApplicationError as error:
                if error.category is ApplicationErrorCategory.BENIGN:
                    _tell(error, span)
                raise
            if not activity.info().is_local:
                log.info("activity.done", ms=round((time.perf_counter() - started) * 1000))
            return result


def ids_of(given: object) -> dict[str, int | str]:
    """The platform's ids that an activity's input names."""
    values = {name: getattr(given, name, None) for name in IDS}
    return {name: value for name, value in values.items() if value is not None}


def _tell(error: ApplicationError, span: trace.Span) -> None:
    """A fault of the app or the moment, not of the code: said in a line, without a traceback."""
    log.info("activity.failed", kind=error.type, what=error.message)
    span.set_status(Status(StatusCode.ERROR, f"{error.type}: {error.message}"))
