"""The stages of a deployment as people see them, and their way into the records."""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

with workflow.unsafe.imports_passed_through():
    from activities.contracts.base import STAGE_ORDER, DeploymentStatus, Stage, StageStatus
    from activities.contracts.records import RECORD_PROGRESS, Progress, StageRecord
    from ops.errors import ErrorReport
    from workflows.calls import record
    from workflows.policies import NODE_ID, STAGE

_MARKS = {
    StageStatus.RUNNING: "…",
    StageStatus.SUCCEEDED: "✓",
    StageStatus.FAILED: "✗",
    StageStatus.CANCELLED: "⊘",
}


class Timeline:
    """Stages with times, hosts and attempts; each change is recorded as a whole snapshot.

    Snapshots are written by one background task, so that no stage waits for the records; changes
    that come while one is written go into the next.
    """

    def __init__(self, deployment_id: int) -> None:
        self._deployment_id = deployment_id
        self._stages: dict[Stage, StageRecord] = {}
        self._version = 0
        self._written = 0
        self._news: list[str] = []
        self._closed = False
        self.status = DeploymentStatus.RUNNING
        self.commit: str | None = None
        self.error: ErrorReport | None = None
        self.removed: list[str] = []
        self._writer: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._changed("it runs")
        self._writer = asyncio.create_task(self._write_changes())

    def begin(self, stage: Stage, node_id: str | None) -> None:
        """A stage runs on a node, or on control. ``NodeId`` is the node that was at work last."""
        before = self._stages.get(stage)
        self._stages[stage] = StageRecord(
            name=stage,
            status=StageStatus.RUNNING,
            attempt=before.attempt + 1 if before else 1,
            host=node_id or "control",
            started_at=workflow.now(),
        )
        attributes: list[SearchAttributeUpdate[str]] = [STAGE.value_set(stage.value)]
        if node_id is not None:
            attributes.append(NODE_ID.value_set(node_id))
        workflow.upsert_search_attributes(attributes)
        self._changed(f"{stage.value} {_MARKS[StageStatus.RUNNING]}")

    def end(self, stage: Stage, status: StageStatus, why: ErrorReport | None = None) -> None:
        running = self._stages[stage]
        self._stages[stage] = running.model_copy(
            update={
                "status": status,
                "ended_at": workflow.now(),
                "error": why.what if why else None,
                # Each snapshot holds all stages: the log's last lines are with the deployment only.
                "report": why.model_copy(update={"log_tail": []}) if why else None,
            }
        )
        self._changed(f"{stage.value} {_MARKS[status]}")

    def stages(self) -> list[StageRecord]:
        return [self._stages[name] for name in STAGE_ORDER if name in self._stages]

    async def close(
        self, status: DeploymentStatus, error: ErrorReport | None, removed: list[str]
    ) -> None:
        """Write how it ended and wait until that is recorded."""
        self.status, self.error, self.removed = status, error, removed
        self._changed(status.value)
        self._closed = True
        if self._writer is not None:
            await self._writer

    def _changed(self, news: str) -> None:
        self._version += 1
        self._news.append(news)
        workflow.set_current_details(self._details())

    def _details(self) -> str:
        lines = [f"**{self.status}**" + (f" · `{self.commit[:10]}`" if self.commit else ""), ""]
        for stage in self.stages():
            seconds = ""
            if stage.ended_at:
                seconds = f" {(stage.ended_at - stage.started_at).total_seconds():.2f} s"
            host = f" on {stage.host}" if stage.host else ""
            attempt = f" (attempt {stage.attempt})" if stage.attempt > 1 else ""
            error = f" — {stage.error}" if stage.error else ""
            lines.append(f"- {_MARKS[stage.status]} {stage.name}{host}{attempt}{seconds}{error}")
        return "\n".join(lines)

    async def _write_changes(self) -> None:
        while True:
            await workflow.wait_condition(lambda: self._written < self._version)
            version, closed = self._version, self._closed
            news, self._news = self._news, []
            await record(
                RECORD_PROGRESS,
                Progress(
                    deployment_id=self._deployment_id,
                    version=version,
                    status=self.status,
                    stages=self.stages(),
                    commit=self.commit,
                    error=self.error,
                    removed=self.removed,
                    ended_at=workflow.now() if self.status.ended else None,
                ),
                ", ".join(news),
            )
            self._written = version
            if closed and version == self._version:
                return
