"""What a node tells of itself: probe, watch and inventory, on its own task queue."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Protocol

import psutil
from temporalio import activity

from activities.boundary import in_thread, reports_errors
from activities.contracts.nodes import (
    INVENTORY,
    PROBE,
    WATCH,
    ContainerSeen,
    Figures,
    Inventory,
    NodeInfo,
    RouteSeen,
    WatchEnd,
)
from ops.metrics import metrics
from ops.settings import Settings

BEAT_SECONDS = 2.0
SETTLE_SECONDS = 3.0
"""A change that lasts this long is looked at: a deployment in its course changes things too."""


class Holdings(Protocol):
    """What a role keeps on its node."""

    def containers(self) -> list[ContainerSeen]: ...

    def routes(self) -> list[RouteSeen]: ...

    def checkouts(self) -> list[int]: ...

    def images(self) -> list[str]: ...

    def workspaces(self) -> list[int]: ...

    def slots(self) -> tuple[int, int]:
        """(all, busy)."""
        ...

    def engine(self) -> str:
        """What is wrong with the engine that builds; empty when nothing is."""
        ...


class NoHoldings:
    """A node that keeps nothing that could be reconciled."""

    def containers(self) -> list[ContainerSeen]:
        return []

    def routes(self) -> list[RouteSeen]:
        return []

    def checkouts(self) -> list[int]:
        return []

    def images(self) -> list[str]:
        return []

    def workspaces(self) -> list[int]:
        return []

    def slots(self) -> tuple[int, int]:
        return (0, 0)

    def engine(self) -> str:
        return ""


class NodeActivities:
    """Probe, watch and inventory of one node; ``holdings`` says what its role keeps there."""

    def __init__(self, settings: Settings, node_id: str, holdings: Holdings) -> None:
        self._settings = settings
        self._node_id = node_id
        self._home: Path = settings.node_home(node_id)
        self._home.mkdir(parents=True, exist_ok=True)
        self._holdings = holdings
        self._reconciled: Inventory | None = None

    def figures(self) -> Figures:
        disk = psutil.disk_usage(str(self._home))
        slots, busy = self._holdings.slots()
        figures = Figures(
            cpu=psutil.cpu_percent(interval=None) / 100,
            memory=psutil.virtual_memory().percent / 100,
            disk_free=disk.free,
            disk_total=disk.total,
            containers=len(self._holdings.containers()),
            slots=slots,
            slots_busy=busy,
            engine=self._holdings.engine(),
        )
        metrics().node_figures(
            self._node_id,
            cpu=figures.cpu,
            memory=figures.memory,
            disk_free=figures.disk_free,
            containers=figures.containers,
        )
        return figures

    def look(self) -> Inventory:
        return Inventory(
            node_id=self._node_id,
            containers=sorted(self._holdings.containers(), key=lambda seen: seen.name),
            routes=self._holdings.routes(),
            checkouts=self._holdings.checkouts(),
            workspaces=self._holdings.workspaces(),
        )

    @activity.defn(name=PROBE.name)
    @reports_errors
    async def probe(self, given: NodeInfo) -> Figures:
        return await in_thread(self.figures)

    @activity.defn(name=INVENTORY.name)
    @reports_errors
    async def inventory(self, given: NodeInfo) -> Inventory:
        self._reconciled = await in_thread(self.look)
        # Not part of what is watched: an engine takes long to list them.
        images = await in_thread(self._holdings.images)
        return self._reconciled.model_copy(update={"images": images})

    @activity.defn(name=WATCH.name)
    @reports_errors
    async def watch(self, given: NodeInfo) -> WatchEnd:
        """Heartbeats live figures; returns when the workflow has to look.

        ``changed``: what is on the node is not what was reconciled last, and stays so for a
        moment. ``shutdown``: this worker stops. ``disk``: less is free than the floor.
        """
        floor = self._settings.disk_floor_mb * 1024 * 1024
        low = (await in_thread(self.figures)).disk_free < floor
        changed_at: float | None = None
        last = self._reconciled
        stopping = asyncio.create_task(activity.wait_for_worker_shutdown())
        try:
            while not stopping.done():
                figures = await in_thread(self.figures)
                activity.heartbeat(figures)
                if (figures.disk_free < floor) != low:
                    return WatchEnd(reason="disk")
                now = await in_thread(self.look)
                if now != last:
                    # Also when it is back to what was reconciled: what came and went meanwhile
                    # may be an app that has just gone live.
                    changed_at = time.monotonic()
                elif changed_at and time.monotonic() - changed_at >= SETTLE_SECONDS:
                    return WatchEnd(reason="changed")
                last = now
                await asyncio.wait([stopping], timeout=BEAT_SECONDS)
        finally:
            stopping.cancel()
        return WatchEnd(reason="shutdown")
