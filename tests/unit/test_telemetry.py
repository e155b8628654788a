"""Traces: nothing without an exporter, each deployment in its own, and no caller is believed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ops.telemetry import deployment_span, interceptors, traceparent
from ops.tracing import SAMPLER, IdsFromBaggage, OnlySends, context_of

CLAIMED = "00-c0ffeec0ffeec0ffeec0ffeec0ffee00-00f067aa0ba902b7-01"


def test_without_tracing_there_are_no_interceptors_and_no_spans() -> None:
    assert interceptors() == []
    with deployment_span(CLAIMED, deployment_id=7) as made:
        assert made is None
        assert traceparent() is None


@pytest.fixture
def spans() -> Iterator[tuple[trace.Tracer, InMemorySpanExporter]]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=SAMPLER)
    provider.add_span_processor(IdsFromBaggage())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider.get_tracer(__name__), exporter
    provider.shutdown()


def test_spans_carry_the_ids_of_the_baggage_and_nothing_else_of_it(
    spans: tuple[trace.Tracer, InMemorySpanExporter],
) -> None:
    tracer, exporter = spans
    context = baggage.set_baggage("deployment_id", "7", baggage.set_baggage("other", "x"))
    tracer.start_span("a", context).end()
    assert dict(exporter.get_finished_spans()[0].attributes or {}) == {"deployment_id": "7"}


def test_a_nodes_endless_workflow_is_not_traced(
    spans: tuple[trace.Tracer, InMemorySpanExporter],
) -> None:
    tracer, exporter = spans
    with tracer.start_as_current_span("SignalWithStartWorkflow:NodeHeartbeat"):
        tracer.start_span("RunActivity:probe").end()
    tracer.start_span("POST /api/apps").end()
    assert [span.name for span in exporter.get_finished_spans()] == ["POST /api/apps"]


def test_the_public_entry_believes_no_caller() -> None:
    only_sends = OnlySends(W3CBaggagePropagator())
    assert only_sends.extract({"baggage": "user_id=1"}) == Context()
    carrier: dict[str, str] = {}
    only_sends.inject(carrier, baggage.set_baggage("user_id", "2", Context()))
    assert carrier == {"baggage": "user_id=2"}


def test_a_kept_trace_is_gone_on_with() -> None:
    span = trace.get_current_span(context_of(CLAIMED)).get_span_context()
    assert f"{span.trace_id:032x}" in CLAIMED
    for nothing in (None, "", "nonsense"):
        assert not trace.get_current_span(context_of(nothing)).get_span_context().is_valid


# --- a whole process -------------------------------------------------------------------------

PROCESS = """
from ops.settings import Settings
from ops.telemetry import deployment_span, setup_tracing
setup_tracing(Settings({how}), "entry")
with deployment_span(None, deployment_id=7, app_id=3):
    pass
"""


def run_process(how: str) -> None:
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", PROCESS.format(how=how)], cwd=root, check=True)


def test_spans_go_into_a_file_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    run_process(f"trace_file={str(path)!r}")
    run_process(f"trace_file={str(path)!r}")
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    assert all('"deployment 7"' in line and '"app_id": "3"' in line for line in lines)
    assert path.stat().st_mode & 0o777 == 0o600


def test_spans_go_to_a_collector_before_the_process_ends() -> None:
    received: list[Any] = []

    class Collector(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:
            received.append(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(2))
    add = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add(Collector(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        run_process(f"otlp_endpoint='http://127.0.0.1:{port}'")
    finally:
        server.stop(None)
    (request,) = received
    (resource,) = request.resource_spans
    names = [span.name for scope in resource.scope_spans for span in scope.spans]
    assert names == ["deployment 7"]
    attributes = {a.key: a.value.string_value for a in resource.resource.attributes}
    assert attributes["service.name"] == "studio-entry"
