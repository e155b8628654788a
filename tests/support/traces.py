"""The spans that the platform of the tests has written, and the traces that they make."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.settings import Settings


@dataclass(frozen=True)
class Span:
    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    service: str
    process: int
    status: str
    attributes: dict[str, Any]

    @classmethod
    def parse(cls, line: str) -> Span:
        given = json.loads(line)
        return cls(
            name=given["name"],
            trace_id=given["context"]["trace_id"],
            span_id=given["context"]["span_id"],
            parent_id=given["parent_id"],
            service=given["resource"]["attributes"]["service.name"],
            process=given["resource"]["attributes"]["process.pid"],
            status=given["status"]["status_code"],
            attributes=given["attributes"],
        )


class Trace:
    """The spans of one trace id."""

    def __init__(self, spans: list[Span]) -> None:
        self.spans = spans
        self._by_id = {span.span_id: span for span in spans}

    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def one(self, name: str) -> Span:
        found = [span for span in self.spans if span.name == name]
        assert len(found) == 1, (name, found)
        return found[0]

    def roots(self) -> list[Span]:
        """Spans whose parent is not in the trace: one of a whole trace, more of a torn one."""
        return [span for span in self.spans if span.parent_id not in self._by_id]

    def above(self, span: Span) -> list[str]:
        """The names of a span's ancestors, its parent first."""
        found: list[str] = []
        parent = self._by_id.get(span.parent_id or "")
        while parent is not None:
            found.append(parent.name)
            parent = self._by_id.get(parent.parent_id or "")
        return found


class Traces:
    def __init__(self, settings: Settings) -> None:
        assert settings.trace_file is not None, "this platform writes no traces"
        self._file: Path = settings.trace_file
        self.platform = settings.platform

    def spans(self) -> list[Span]:
        """All whole lines; a last one that is being written is left out."""
        text = self._file.read_text()
        return [Span.parse(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def of_deployment(self, deployment_id: int) -> list[Trace]:
        """Every trace that a part of this deployment is in: there should be one."""
        spans = self.spans()
        ids = {
            span.trace_id
            for span in spans
            if span.name == f"deployment {deployment_id}"
            or span.attributes.get("temporalWorkflowID") == f"deployment-{deployment_id}"
        }
        return [Trace([s for s in spans if s.trace_id == one]) for one in sorted(ids)]

    async def whole(self, deployment_id: int, last: str = "CompleteWorkflow:Deployment") -> Trace:
        """The trace of a deployment that has ended, once its last span is there."""

        def complete(trace: Trace) -> bool:
            workflow = f"deployment-{deployment_id}"
            return any(
                span.name == last and span.attributes.get("temporalWorkflowID") == workflow
                for span in trace.spans
            )

        traces = await self._until(deployment_id, lambda found: any(map(complete, found)))
        assert len(traces) == 1, [trace.names() for trace in traces]
        return traces[0]

    async def _until(self, deployment_id: int, holds: Callable[[list[Trace]], bool]) -> list[Trace]:
        async with asyncio.timeout(20):
            while not holds(found := self.of_deployment(deployment_id)):
                await asyncio.sleep(0.2)
        return found
