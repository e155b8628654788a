"""The parts of tracing that need OpenTelemetry's SDK; imported only where traces are written."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opentelemetry import baggage, context, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from temporalio import client, worker, workflow

IDS = ("deployment_id", "app_id", "user_id")
"""The ids that a deployment's spans carry."""

_W3C = TraceContextTextMapPropagator()


def context_of(traceparent: str | None) -> Context:
    """The context of a span that a record or a message names; an empty one when it names none."""
    return _W3C.extract({"traceparent": traceparent} if traceparent else {}, Context())


class _Roots(Sampler):
    """Of what is called by no trace, all is the root of one, but a node's endless workflow: its
    trace would have no end either."""

    ENDLESS = "SignalWithStartWorkflow:NodeHeartbeat"

    def should_sample(
        self, parent_context: Context | None, trace_id: int, name: str, *args: Any, **kwargs: Any
    ) -> SamplingResult:
        sampler = ALWAYS_OFF if name == self.ENDLESS else ALWAYS_ON
        return sampler.should_sample(parent_context, trace_id, name, *args, **kwargs)

    def get_description(self) -> str:
        return "all but the nodes' own"


SAMPLER = ParentBased(root=_Roots())


class IdsFromBaggage(SpanProcessor):
    """Each span carries the ids that travel with its trace."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        found = baggage.get_all(parent_context)
        span.set_attributes({name: str(found[name]) for name in IDS if name in found})


class OnlySends(TextMapPropagator):
    """Tells callees of the trace, and believes no caller: anybody can write headers."""

    def __init__(self, sends: TextMapPropagator) -> None:
        self._sends = sends

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        return context or Context()

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        self._sends.inject(carrier, context, setter)

    @property
    def fields(self) -> set[str]:
        return self._sends.fields


class FileSpanExporter(SpanExporter):
    """Spans as JSON, one a line, into a file that several processes append to."""

    def __init__(self, path: Path) -> None:
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


class OwnTraces(client.Interceptor, worker.Interceptor):
    """Each deployment in the trace it was asked for in; goes after Temporal's own interceptor.

    ``deploy-{appId}`` outlives the request that started it: without this, whatever is asked of it
    later would go on in the trace of that first one. A child whose input names another
    ``traceparent`` is started in that trace.
    """

    def workflow_interceptor_class(
        self, input: worker.WorkflowInterceptorClassInput
    ) -> type[worker.WorkflowInboundInterceptor]:
        return _Inbound


class _Inbound(worker.WorkflowInboundInterceptor):
    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound))


class _Outbound(worker.WorkflowOutboundInterceptor):
    async def start_child_workflow(
        self, input: worker.StartChildWorkflowInput
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        given = input.args[0] if input.args else None
        asked_in = trace.get_current_span(context_of(getattr(given, "traceparent", None)))
        if _same_trace(asked_in, trace.get_current_span()):
            return await super().start_child_workflow(input)
        within = trace.set_span_in_context(asked_in, baggage.clear())
        for name in IDS:
            if (value := getattr(given, name, None)) is not None:
                within = baggage.set_baggage(name, str(value), within)
        token = context.attach(within)
        try:
            return await super().start_child_workflow(input)
        finally:
            context.detach(token)


def _same_trace(asked_in: trace.Span, current: trace.Span) -> bool:
    """Also true when nobody has said in which trace it was asked for."""
    asked = asked_in.get_span_context()
    return not asked.is_valid or asked.trace_id == current.get_span_context().trace_id
