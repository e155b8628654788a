"""Figures over the last hour, from Prometheus: of one's own app, and for administrators of a host."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path

from api.entry.deps import Admin, OwnedApp, Use
from api.entry.problems import errors
from api.entry.schemas_figures import AppFigures, AppPoint, NodeFigures, NodePoint
from ops.error_codes import ErrorCode
from ops.errors import NotFound
from ops.prometheus import Window

router = APIRouter(prefix="/api")

HOUR = 3600
STEP = 30
RATE_OVER = "1m"


@router.get("/apps/{app_id}/metrics", tags=["apps"], responses=errors(401, 404, 422, 503))
async def read_metrics(app: OwnedApp, use: Use) -> AppFigures:
    """Processor and memory of the app over the last hour; empty for one that did not run."""
    window = Window.last(HOUR, STEP)
    named = f'{{app_id="{app.id}"}}'
    cpu, memory = await asyncio.gather(
        use.prometheus.series(f"sum(rate(studio_app_cpu_seconds{named}[{RATE_OVER}]))", window),
        use.prometheus.series(f"sum(studio_app_memory_bytes{named})", window),
    )
    return AppFigures(
        step_seconds=STEP,
        cpu_limit=use.settings.app_cpus,
        memory_limit_bytes=use.settings.app_memory_mb * 1024 * 1024,
        series=[
            AppPoint(
                at=datetime.fromtimestamp(at, UTC),
                cpu=_rounded(cpu.get(at)),
                memory_bytes=_whole(memory.get(at)),
            )
            for at in sorted(cpu.keys() | memory.keys())
        ],
    )


@router.get(
    "/admin/nodes/{node_id}/figures",
    tags=["administrators"],
    responses=errors(401, 403, 404, 422, 503),
)
async def read_node_figures(
    node_id: Annotated[str, Path(max_length=50, examples=["runtime-102"])], _: Admin, use: Use
) -> NodeFigures:
    """Processors, memory, disk and containers of a host over the last hour."""
    # Also a check: what was given goes into an expression.
    if node_id not in {node.node_id for node in use.settings.nodes}:
        raise NotFound(
            f"no host is named {node_id[:50]}",
            code=ErrorCode.HOST_UNKNOWN,
            values={"node": node_id[:50]},
            hint="see `studio nodes`",
        )
    window = Window.last(HOUR, STEP)
    named = f'{{node_id="{node_id}"}}'
    cpu, memory, disk, containers = await asyncio.gather(
        use.prometheus.series(f"max(avg_over_time(studio_node_cpu{named}[{RATE_OVER}]))", window),
        use.prometheus.series(f"max(studio_node_memory{named})", window),
        use.prometheus.series(f"max(studio_node_disk_free_bytes{named})", window),
        use.prometheus.series(f"max(studio_node_containers{named})", window),
    )
    return NodeFigures(
        node_id=node_id,
        step_seconds=STEP,
        series=[
            NodePoint(
                at=datetime.fromtimestamp(at, UTC),
                cpu=_rounded(cpu.get(at)),
                memory=_rounded(memory.get(at)),
                disk_free_bytes=_whole(disk.get(at)),
                containers=_whole(containers.get(at)),
            )
            for at in sorted(cpu.keys() | memory.keys() | disk.keys() | containers.keys())
        ],
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
