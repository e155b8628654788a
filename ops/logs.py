"""Structured logs, set up once at the entry of a process.

Logs are JSON lines on standard output. They carry what was bound with
``structlog.contextvars.bind_contextvars``, the ids of the workflow or activity they were written
in and the trace, and no secret: redacting types and values under telling keys are masked whatever
wrote them.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any

import structlog
from opentelemetry import trace
from pydantic import SecretBytes, SecretStr
from temporalio import activity, workflow

from ops.names import ids_in
from ops.settings import Settings

MASK = "[redacted]"
TEMPORAL_CORE = "temporalio.core"
"""The logger that the SDK's native part writes to (see ``ops.temporal``)."""

_SECRET_KEY = re.compile(
    r"passw(or)?d|token|secret|authorization|cookie|api_?key|private_?key|mongodb_uri|credential",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+@", re.IGNORECASE)
_SEARCH_ATTRIBUTES = {
    "AppId": "app_id",
    "UserId": "user_id",
    "DeploymentId": "deployment_id",
    "NodeId": "node_id",
}
_CHATTY = ("httpx", "httpcore", "uvicorn.access", "docker", "urllib3", "asyncio")


def setup_logging(settings: Settings, process: str) -> None:
    """Everything that this process logs as JSON to stdout: also what libraries log or warn of,
    and the error that ends it."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=["temporal_activity", "temporal_workflow"]),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_origin(process),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # The ids are fields of their own; in the message they would only be said twice.
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False
    logging.captureWarnings(True)
    sys.excepthook = _log_end


def _log_end(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("process").critical("ended by an error", exc_info=(kind, error, traceback))


def _add_origin(process: str) -> Any:
    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        _add_temporal(event)
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            event.setdefault("trace_id", f"{context.trace_id:032x}")
        return event

    return add


def _add_temporal(event: MutableMapping[str, Any]) -> None:
    """The workflow and activity that wrote the line, and the platform's ids that these name."""
    in_workflow: Mapping[str, Any] = event.pop("temporal_workflow", {})
    in_activity: Mapping[str, Any] = event.pop("temporal_activity", {})
    found = {
        "workflow_id": in_activity.get("workflow_id") or in_workflow.get("workflow_id"),
        "run_id": in_workflow.get("run_id"),
        "activity": in_activity.get("activity_type"),
        "attempt": in_activity.get("attempt"),
    }
    if activity.in_activity():
        info = activity.info()
        found |= {
            "workflow_id": info.workflow_id,
            "activity": info.activity_type,
            "attempt": info.attempt,
        }
    for name, value in found.items():
        if value is not None:
            event.setdefault(name, value)
    for name, value in (ids_in(str(found["workflow_id"])) | _ids_of_workflow()).items():
        event.setdefault(name, value)


def _ids_of_workflow() -> dict[str, Any]:
    """The ids that the workflow in which this is called is searched by."""
    if not workflow.in_workflow():
        return {}
    return {
        _SEARCH_ATTRIBUTES[pair.key.name]: pair.value
        for pair in workflow.info().typed_search_attributes
        if pair.key.name in _SEARCH_ATTRIBUTES
    }


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """A structlog processor: no value of a secret's type, or under a secret's name, gets out."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: str, value: Any) -> Any:
    if isinstance(value, SecretStr | SecretBytes):
        return MASK
    if isinstance(value, Mapping):
        return {str(name): _redacted(str(name), inner) for name, inner in value.items()}
    if value is not None and not isinstance(value, bool) and _SECRET_KEY.search(key):
        return MASK
    if isinstance(value, str):
        return _URL_PASSWORD.sub(rf"\g<before>{MASK}@", value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted("", inner) for inner in value]
    return value
