"""The platform's own figures, on the endpoint of the process where Temporal's SDK has its own.

``use`` is called once at the entry of a process; until then (tests, the command line) figures go
nowhere. Workflows do not count: what is counted is what has been recorded, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime

import psutil
from temporalio.common import MetricMeter
from temporalio.runtime import Runtime

REPORT_SECONDS = 10

BUCKETS: Mapping[str, tuple[float, ...]] = {
    "studio_stage_seconds": (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900),
    "studio_live_seconds": (0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30, 60, 120, 300, 900),
    "studio_http_first_byte_seconds": (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
}
"""Bounds of our histograms; the meter gives all others bounds for short waits."""


class Metrics:
    """Every figure of ours, one method each."""

    def __init__(self, meter: MetricMeter) -> None:
        self._deployments = meter.create_counter(
            "studio_deployments_total", "Deployments that have ended, by how they did"
        )
        self._stages = meter.create_histogram_float(
            "studio_stage_seconds", "How long a stage of an ended deployment took", "s"
        )
        self._live = meter.create_histogram_float(
            "studio_live_seconds", "From the request to a release that answers", "s"
        )
        self._under_way = meter.create_gauge(
            "studio_deployments_under_way", "Deployments that have not ended"
        )
        self._owed = meter.create_gauge("studio_owed_undos", "What nodes have still to undo")
        self._apps_live = meter.create_gauge("studio_apps_live", "Apps with a live release")
        self._node_up = meter.create_gauge("studio_node_up", "1 when the node is UP")
        self._node_draining = meter.create_gauge(
            "studio_node_draining", "1 when no new work is placed on the node"
        )
        self._slots = meter.create_gauge("studio_build_slots", "Build slots of a runner")
        self._slots_busy = meter.create_gauge(
            "studio_build_slots_busy", "Build slots that a deployment holds"
        )
        self._node_cpu = meter.create_gauge_float(
            "studio_node_cpu", "Share of the node's processors that is in use, 0 to 1"
        )
        self._node_memory = meter.create_gauge_float(
            "studio_node_memory", "Share of the node's memory that is in use, 0 to 1"
        )
        self._node_disk_free = meter.create_gauge(
            "studio_node_disk_free_bytes", "Free on the disk of the node's own data", "By"
        )
        self._node_containers = meter.create_gauge(
            "studio_node_containers", "Containers of user code on the node"
        )
        self._app_cpu = meter.create_gauge_float(
            "studio_app_cpu_seconds",
            "Processor time of an app since its node's worker started",
            "s",
        )
        self._app_memory = meter.create_gauge(
            "studio_app_memory_bytes", "Memory of an app's containers", "By"
        )
        self._requests = meter.create_counter(
            "studio_http_requests_total", "Requests by route and status"
        )
        self._first_byte = meter.create_histogram_float(
            "studio_http_first_byte_seconds", "Time to the first byte of the answer", "s"
        )
        self._requests_open = meter.create_gauge(
            "studio_http_requests_open", "Requests that are being answered, streams among them"
        )
        self._memory = meter.create_gauge(
            "studio_process_resident_bytes", "Memory of this process", "By"
        )
        self._cpu = meter.create_gauge_float(
            "studio_process_cpu_seconds", "Processor time of this process since it started", "s"
        )

    # --- deployments -------------------------------------------------------------------------

    def know_deployments(self, kinds: Iterable[str], statuses: Iterable[str]) -> None:
        """Every series from the start, at 0: else the first of each kind would go unnoticed."""
        statuses = list(statuses)
        for kind in kinds:
            for status in statuses:
                self._deployments.add(0, {"kind": kind, "status": status})

    def deployment_ended(self, kind: str, status: str) -> None:
        self._deployments.add(1, {"kind": kind, "status": status})

    def stage_ended(self, stage: str, status: str, started: datetime, ended: datetime) -> None:
        seconds = max(0.0, (ended - started).total_seconds())
        self._stages.record(seconds, {"stage": stage, "status": status})

    def went_live(self, kind: str, seconds: float) -> None:
        self._live.record(max(0.0, seconds), {"kind": kind})

    def deployments_under_way(self, status: str, count: int) -> None:
        self._under_way.set(count, {"status": status})

    def apps_live(self, count: int) -> None:
        self._apps_live.set(count)

    # --- nodes -------------------------------------------------------------------------------

    def node(self, node_id: str, role: str, *, up: bool, draining: bool, owed: int) -> None:
        labels = {"node_id": node_id, "role": role}
        self._node_up.set(int(up), labels)
        self._node_draining.set(int(draining), labels)
        self._owed.set(owed, labels)

    def build_slots(self, node_id: str, *, slots: int, busy: int) -> None:
        self._slots.set(slots, {"node_id": node_id})
        self._slots_busy.set(busy, {"node_id": node_id})

    def node_figures(
        self, node_id: str, *, cpu: float, memory: float, disk_free: int, containers: int
    ) -> None:
        labels = {"node_id": node_id}
        self._node_cpu.set(cpu, labels)
        self._node_memory.set(memory, labels)
        self._node_disk_free.set(disk_free, labels)
        self._node_containers.set(containers, labels)

    def app(self, app_id: int, *, cpu_seconds: float, memory: int) -> None:
        labels = {"app_id": str(app_id)}
        self._app_cpu.set(cpu_seconds, labels)
        self._app_memory.set(memory, labels)

    # --- requests ----------------------------------------------------------------------------

    def request_begins(self, open_now: int) -> None:
        self._requests_open.set(open_now)

    def first_byte(self, method: str, route: str, seconds: float) -> None:
        self._first_byte.record(seconds, {"method": method, "route": route})

    def request_ended(self, method: str, route: str, status: int, open_now: int) -> None:
        self._requests.add(1, {"method": method, "route": route, "status": str(status)})
        self._requests_open.set(open_now)

    # --- the process -------------------------------------------------------------------------

    def process(self, *, resident: int, cpu_seconds: float) -> None:
        self._memory.set(resident)
        self._cpu.set(cpu_seconds)


_metrics = Metrics(MetricMeter.noop)


def use(runtime: Runtime) -> None:
    global _metrics
    _metrics = Metrics(runtime.metric_meter)


def metrics() -> Metrics:
    """Those of this process."""
    return _metrics


async def report_process() -> None:
    """Tells of this process itself, for as long as it runs."""
    process = psutil.Process()
    while True:
        cpu = process.cpu_times()
        metrics().process(resident=process.memory_info().rss, cpu_seconds=cpu.user + cpu.system)
        await asyncio.sleep(REPORT_SECONDS)
