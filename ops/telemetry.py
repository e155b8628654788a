"""Structured logs and traces, set up once at the entry of a process.

Logs are JSON lines on standard output. They carry what was bound with
``structlog.contextvars.bind_contextvars``, the activity they were written in and the trace, and
no secret: redacting types and values under telling keys are masked whatever wrote them.

Traces go to an OTLP endpoint, or as JSON lines into a file, or nowhere; then nothing of
OpenTelemetry's SDK is even imported.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import SecretBytes, SecretStr
from temporalio import activity

from ops.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from temporalio.client import Interceptor

MASK = "[redacted]"
_SECRET_KEY = re.compile(
    r"passw(or)?d|token|secret|authorization|cookie|api_?key|private_?key|mongodb_uri|credential",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+@", re.IGNORECASE)

_provider: TracerProvider | None = None


def setup_logging(settings: Settings, process: str) -> None:
    """Everything that this process logs (also libraries through ``logging``) as JSON to stdout."""
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
    for chatty in ("httpx", "httpcore", "uvicorn.access", "docker", "urllib3", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _add_origin(process: str) -> Any:
    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        if activity.in_activity():
            info = activity.info()
            event.setdefault("activity", info.activity_type)
            event.setdefault("workflow_id", info.workflow_id)
            event.setdefault("attempt", info.attempt)
        if _provider is not None:
            from opentelemetry import trace

            context = trace.get_current_span().get_span_context()
            if context.is_valid:
                event.setdefault("trace_id", f"{context.trace_id:032x}")
        return event

    return add


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


def setup_tracing(settings: Settings, process: str) -> TracerProvider | None:
    """Sets the process's tracer provider; None when neither endpoint nor file is set.

    Call it before ``interceptors`` and ``instrument_fastapi``, and ``shutdown()`` what it returns
    at the end of the process.
    """
    global _provider
    if settings.otlp_endpoint is None and settings.trace_file is None:
        return None
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    provider = TracerProvider(
        resource=Resource.create(
            {"service.name": f"{settings.platform}-{process}", "process.pid": os.getpid()}
        )
    )
    if settings.otlp_endpoint is not None:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        insecure = not settings.otlp_endpoint.startswith("https://")
        provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(settings.otlp_endpoint, insecure=insecure))
        )
    if settings.trace_file is not None:
        provider.add_span_processor(SimpleSpanProcessor(_file_exporter(settings.trace_file)))
    trace.set_tracer_provider(provider)
    _provider = provider
    return provider


def _file_exporter(path: Path) -> Any:
    """Spans as JSON, one a line, into a file that several processes append to."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class FileSpanExporter(SpanExporter):
        def __init__(self) -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._lock = threading.Lock()

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            lines = "".join(span.to_json(indent=None) + "\n" for span in spans)
            with self._lock:
                if self._file < 0:
                    return SpanExportResult.FAILURE
                os.write(self._file, lines.encode())
            return SpanExportResult.SUCCESS

        def shutdown(self) -> None:
            with self._lock:
                if self._file >= 0:
                    os.close(self._file)
                self._file = -1

    return FileSpanExporter()


def interceptors() -> list[Interceptor]:
    """For ``ops.temporal.connect``: spans of calls, workflows, activities; none without tracing."""
    if _provider is None:
        return []
    from temporalio.contrib.opentelemetry import TracingInterceptor

    return [TracingInterceptor()]


def instrument_fastapi(app: FastAPI) -> None:
    """A span per request, continuing a caller's trace; nothing without tracing."""
    if _provider is None:
        return
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=_provider,
        excluded_urls="health,metrics,internal",
        exclude_spans=["receive", "send"],
    )
