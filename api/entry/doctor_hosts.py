"""Hops of the hosts: agents, engines, heartbeats, queues, gateways, and the servers of app data."""

from __future__ import annotations

from typing import Any

from activities.contracts.nodes import Figures, NodeStatus
from api.entry.doctor_checks import Scene, Trouble, ask_control, get, hop, polled, sound
from api.entry.nodes import live_figures
from ops.db.tables import NodeRow
from ops.settings import Node
from workflows import ids


async def _row(scene: Scene, node_id: str) -> NodeRow:
    async with scene.use.database.session() as session:
        row = await session.get(NodeRow, node_id)
    if row is None:
        raise Trouble(f"{node_id} was never seen")
    return row


async def heartbeat(scene: Scene, node: Node) -> str:
    row = await _row(scene, node.node_id)
    if row.status == NodeStatus.DOWN:
        raise Trouble(f"{node.node_id} is DOWN: {row.reason}")
    figures = await live_figures(scene.use, node.node_id)
    if figures is None:
        raise Trouble(f"{node.node_id} is {row.status}, and sends no figures")
    if figures.disk_free < scene.use.settings.disk_floor_mb * 1024 * 1024:
        raise Trouble(f"{node.node_id} has {figures.disk_free >> 20} MB of disk left")
    said = "UP, and drains: it takes nothing new" if row.draining else "UP"
    return f"{node.node_id} is {said}"


async def runtime_health(scene: Scene) -> dict[str, Any]:
    async def ask() -> Any:
        named = {} if scene.app is None else {"app_id": scene.app.id}
        return await ask_control(scene, f"/checks/nodes/{scene.runtime.node_id}", **named)

    found: dict[str, Any] = await scene.once("runtime", ask)
    return found


@hop("runtime-agent")
async def runtime_agent(scene: Scene) -> str:
    await runtime_health(scene)
    return f"the agent of {scene.runtime.node_id} answers"


@hop("runtime-docker")
async def runtime_docker(scene: Scene) -> str:
    return sound((await runtime_health(scene))["engine"])


@hop("runtime-node")
async def runtime_node(scene: Scene) -> str:
    return await heartbeat(scene, scene.runtime)


@hop("runtime-queue")
async def runtime_queue(scene: Scene) -> str:
    return await polled(scene, ids.node_queue(scene.runtime.node_id))


async def _runner(scene: Scene) -> tuple[Node, Figures]:
    """A runner that is UP, with its live figures; the one with the most free slots."""

    async def ask() -> Any:
        nodes = [node for node in scene.use.settings.nodes if node.role == "runner"]
        found = [(node, await live_figures(scene.use, node.node_id)) for node in nodes]
        rows = {node.node_id: await _row(scene, node.node_id) for node in nodes}
        up = [
            (node, figures)
            for node, figures in found
            if figures is not None and rows[node.node_id].status != NodeStatus.DOWN
        ]
        if not up:
            said = ", ".join(f"{key} is {row.status}: {row.reason}" for key, row in rows.items())
            raise Trouble(said)
        return max(up, key=lambda pair: pair[1].slots - pair[1].slots_busy)

    found: tuple[Node, Figures] = await scene.once("runner", ask)
    return found


@hop("runner-node")
async def runner_node(scene: Scene) -> str:
    node, _ = await _runner(scene)
    return await heartbeat(scene, node)


@hop("build-engine")
async def build_engine(scene: Scene) -> str:
    return sound((await _runner(scene))[1].engine)


@hop("runner-queue")
async def runner_queue(scene: Scene) -> str:
    return await polled(scene, ids.RUNNER_QUEUE)


@hop("runner-slot")
async def runner_slot(scene: Scene) -> str:
    node, figures = await _runner(scene)
    if figures.slots_busy >= figures.slots:
        raise Trouble(f"all {figures.slots} slots of {node.node_id} are in use")
    return f"{figures.slots - figures.slots_busy} of {figures.slots} slots are free"


@hop("traefik")
async def traefik(scene: Scene) -> str:
    answer = await get(f"http://127.0.0.1:{scene.runtime.gateway_port}/", host="nobody.invalid")
    return f"it answers ({answer.status_code} for a name that nobody has)"


# --- app data ---------------------------------------------------------------------------------


async def _data_servers(scene: Scene) -> dict[str, str]:
    async def ask() -> Any:
        return await ask_control(scene, "/checks/data")

    found: dict[str, str] = await scene.once("data", ask)
    return found


@hop("postgresql")
async def postgresql(scene: Scene) -> str:
    return sound((await _data_servers(scene))["postgresql"])


@hop("mongo")
async def mongo(scene: Scene) -> str:
    return sound((await _data_servers(scene))["mongo"])
