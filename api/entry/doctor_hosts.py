"""Hops of the hosts: agents, engines, heartbeats, queues, gateways, and the servers of app data."""

from __future__ import annotations

import asyncio
from typing import Any

from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_fixed

from activities.contracts.nodes import DownReason, Figures, NodeStatus
from api.entry.doctor_checks import (
    Finding,
    Scene,
    Trouble,
    ask_control,
    found,
    get,
    hop,
    polled,
    sound,
)
from api.entry.nodes import live_figures
from ops.db.tables import NodeRow
from ops.hop_reasons import HopReason
from ops.settings import Node
from workflows import ids

NEW_WATCH_SECONDS = 2.0


async def _row(scene: Scene, node_id: str) -> NodeRow:
    async with scene.use.database.session() as session:
        row = await session.get(NodeRow, node_id)
    if row is None:
        raise Trouble(found(HopReason.NODE_UNSEEN, node=node_id))
    return row


async def heartbeat(scene: Scene, node: Node) -> Finding:
    row = await _row(scene, node.node_id)
    figures = None if row.status == NodeStatus.DOWN else await _figures(scene, node)
    if figures is None:
        raise Trouble(_silent(row))
    if figures.disk_free < scene.use.settings.disk_floor_mb * 1024 * 1024:
        left = figures.disk_free >> 20
        raise Trouble(found(HopReason.NODE_DISK, node=node.node_id, mb=left))
    if row.draining:
        return found(HopReason.NODE_DRAINS, node=node.node_id)
    return found(HopReason.NODE_UP, node=node.node_id)


async def _figures(scene: Scene, node: Node) -> Figures | None:
    """A host's watch begins anew whenever what is on it has changed, and has said nothing then for a
    moment."""
    again = AsyncRetrying(
        retry=retry_if_result(lambda figures: figures is None),
        stop=stop_after_delay(NEW_WATCH_SECONDS),
        wait=wait_fixed(0.1),
        retry_error_callback=lambda _: None,
    )
    figures: Figures | None = await again(live_figures, scene.use, node.node_id)
    return figures


def _silent(row: NodeRow) -> Finding:
    """What is wrong with a host that is DOWN, or of which there are no live figures."""
    if row.status != NodeStatus.DOWN:
        return found(HopReason.NODE_NO_FIGURES, node=row.node_id, status=row.status)
    down = DownReason.code(row.reason) or ""
    return found(HopReason.NODE_DOWN, node=row.node_id, why=row.reason, down=down)


async def runtime_health(scene: Scene) -> dict[str, Any]:
    async def ask() -> Any:
        named = {} if scene.app is None else {"app_id": scene.app.id}
        return await ask_control(scene, f"/checks/nodes/{scene.runtime.node_id}", **named)

    health: dict[str, Any] = await scene.once("runtime", ask)
    return health


@hop("runtime-agent")
async def runtime_agent(scene: Scene) -> Finding:
    await runtime_health(scene)
    return found(HopReason.AGENT_ANSWERS, node=scene.runtime.node_id)


@hop("runtime-docker")
async def runtime_docker(scene: Scene) -> Finding:
    return sound((await runtime_health(scene))["engine"])


@hop("runtime-node")
async def runtime_node(scene: Scene) -> Finding:
    return await heartbeat(scene, scene.runtime)


@hop("runtime-queue")
async def runtime_queue(scene: Scene) -> Finding:
    return await polled(scene, ids.node_queue(scene.runtime.node_id))


async def _runner(scene: Scene) -> tuple[Node, Figures]:
    """A runner that is UP, with its live figures; the one with the most free slots."""

    async def ask() -> Any:
        nodes = [node for node in scene.use.settings.nodes if node.role == "runner"]
        rows = {node.node_id: await _row(scene, node.node_id) for node in nodes}
        there = [node for node in nodes if rows[node.node_id].status != NodeStatus.DOWN]
        told = await asyncio.gather(*(_figures(scene, node) for node in there))
        up = [(node, figures) for node, figures in zip(there, told, strict=True) if figures]
        if not up:
            only = next(iter(rows.values())) if len(rows) == 1 else None
            raise Trouble(
                _silent(only) if only else found(HopReason.RUNNERS_DOWN, nodes=", ".join(rows))
            )
        return max(up, key=lambda pair: pair[1].slots - pair[1].slots_busy)

    best: tuple[Node, Figures] = await scene.once("runner", ask)
    return best


@hop("runner-node")
async def runner_node(scene: Scene) -> Finding:
    node, _ = await _runner(scene)
    return await heartbeat(scene, node)


@hop("build-engine")
async def build_engine(scene: Scene) -> Finding:
    return sound((await _runner(scene))[1].engine)


@hop("runner-queue")
async def runner_queue(scene: Scene) -> Finding:
    return await polled(scene, ids.RUNNER_QUEUE)


@hop("runner-slot")
async def runner_slot(scene: Scene) -> Finding:
    node, figures = await _runner(scene)
    if figures.slots_busy >= figures.slots:
        raise Trouble(found(HopReason.SLOTS_USED, slots=figures.slots, node=node.node_id))
    free = figures.slots - figures.slots_busy
    return found(HopReason.SLOTS_FREE, free=free, slots=figures.slots)


@hop("traefik")
async def traefik(scene: Scene) -> Finding:
    answer = await get(f"http://127.0.0.1:{scene.runtime.gateway_port}/", host="nobody.invalid")
    return found(HopReason.ANSWERS_STRANGERS, http=answer.status_code)


# --- app data ---------------------------------------------------------------------------------


async def _data_servers(scene: Scene) -> dict[str, str]:
    async def ask() -> Any:
        return await ask_control(scene, "/checks/data")

    servers: dict[str, str] = await scene.once("data", ask)
    return servers


@hop("postgresql")
async def postgresql(scene: Scene) -> Finding:
    return sound((await _data_servers(scene))["postgresql"])


@hop("mongo")
async def mongo(scene: Scene) -> Finding:
    return sound((await _data_servers(scene))["mongo"])
