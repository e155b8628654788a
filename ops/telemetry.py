"""Traces, set up once at the entry of a process: one of each deployment, over all processes.

    API request → deployment 7 → Deploy → Deployment → each activity → its calls of 7002

Spans go to an OTLP endpoint, or as JSON lines into a file, or nowhere; then nothing of
OpenTelemetry's SDK is even imported. A deployment's ids travel as baggage beside its trace, and
every span within it carries them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.trace import SpanKind

from ops.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from opentelemetry.sdk.trace import TracerProvider
    from temporalio.client import Interceptor

UNTRACED_REQUESTS = r"health,metrics,internal,/registry/token,/log$"
"""What comes by the second, or from no caller of ours: each would be a trace of its own."""

_provider: TracerProvider | None = None


def setup_tracing(
    settings: Settings, process: str, *, public: bool = False
) -> TracerProvider | None:
    """Sets the process's tracer provider; None when neither endpoint nor file is set.

    Call it before ``interceptors`` and ``instrument_fastapi``. A ``public`` process starts its own
    traces, whatever its callers claim to be in. What is not sent yet is sent as the process ends.
    """
    global _provider
    if settings.otlp_endpoint is None and settings.trace_file is None:
        return None
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    from ops import tracing

    provider = TracerProvider(
        resource=Resource.create(
            {"service.name": f"{settings.platform}-{process}", "process.pid": os.getpid()}
        ),
        sampler=tracing.SAMPLER,
    )
    provider.add_span_processor(tracing.IdsFromBaggage())
    if settings.otlp_endpoint is not None:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        insecure = not settings.otlp_endpoint.startswith("https://")
        provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(settings.otlp_endpoint, insecure=insecure))
        )
    if settings.trace_file is not None:
        exporter = tracing.FileSpanExporter(settings.trace_file)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    if public:
        propagate.set_global_textmap(tracing.OnlySends(propagate.get_global_textmap()))
    trace.set_tracer_provider(provider)
    _provider = provider
    return provider


def interceptors() -> list[Interceptor]:
    """For ``ops.temporal.connect``: spans of calls, workflows, activities; none without tracing."""
    if _provider is None:
        return []
    from temporalio.contrib.opentelemetry import TracingInterceptor

    from ops.tracing import OwnTraces

    return [TracingInterceptor(), OwnTraces()]


def instrument_fastapi(app: FastAPI) -> None:
    """A span per request, continuing a caller's trace; nothing without tracing."""
    if _provider is None:
        return
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=_provider,
        excluded_urls=UNTRACED_REQUESTS,
        exclude_spans=["receive", "send"],
    )


async def send_trace(request: httpx.Request) -> None:
    """An httpx hook for calls between our own processes: the callee continues the trace."""
    if _provider is not None:
        propagate.inject(request.headers)


def traceparent() -> str | None:
    """The trace and span that this is called in, as it is kept in a record or a message."""
    carrier: dict[str, str] = {}
    if _provider is not None:
        propagate.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def deployment_span(kept: str | None, *, deployment_id: int, **ids: int) -> Iterator[str | None]:
    """The span that everything a deployment does lies below; yields its traceparent.

    It continues the trace that was ``kept`` with the record, or starts one. All that is called
    within it carries the ids.
    """
    if _provider is None:
        yield None
        return
    from ops.tracing import context_of

    within = context_of(kept)
    for name, value in {"deployment_id": deployment_id, **ids}.items():
        within = baggage.set_baggage(name, str(value), within)
    token = context.attach(within)
    try:
        with trace.get_tracer(__name__).start_as_current_span(
            f"deployment {deployment_id}", kind=SpanKind.PRODUCER
        ):
            yield traceparent()
    finally:
        context.detach(token)


def tag_request(ids: dict[str, object]) -> None:
    """The ids that a request turned out to be about, for the span of that request."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes({name: str(value) for name, value in ids.items()})
