"""A node's worker: ``python -m workers.host --role workspace|runner|runtime --node NODE_ID``.

It imports only what its role needs, serves its node's task queue, and says hello.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from activities.contracts import ContainerSeen, NodeRole, RouteSeen
from activities.nodes import Holdings, NodeActivities, NoHoldings
from ops import logs, telemetry
from ops.metrics import report_process
from ops.nodeclient import NodeClient
from ops.settings import Node, Settings, load_settings
from ops.temporal import connect, metrics_runtime
from workers.lifecycle import HttpServer, run_workers, say_hello, stop_event
from workers.observe import ObservedActivities
from workflows import ids
from workflows.policies import GRACEFUL_SHUTDOWN, HOLD_THROTTLE, MAX_HEARTBEAT_THROTTLE

Activities = Sequence[Callable[..., Any]]
NODE_SLOTS = 64
"""Activities of one node at a time: builds are limited by held slots, the rest is short."""


@dataclass
class Role:
    """What a role adds to the node's own activities."""

    holdings: Holdings = field(default_factory=NoHoldings)
    activities: Activities = ()
    held: Activities = ()
    held_slots: int = 0
    server: HttpServer | None = None
    watch: Callable[[], Coroutine[Any, Any, None]] | None = None


def build_role(settings: Settings, node: Node, client: Client) -> Role:
    control = NodeClient(settings, node.node_id)
    if node.role == "runner":
        return _runner(settings, node, client, control)
    if node.role == "runtime":
        return _runtime(settings, node, control)
    return Role()


def _runner(settings: Settings, node: Node, client: Client, control: NodeClient) -> Role:
    from activities.build import Build
    from activities.build_folder import checkouts
    from activities.runner import Runner
    from activities.source import Source

    source = Source(settings, node.node_id, control)
    build = Build(settings, node.node_id, control)
    runner = Runner(settings, node.node_id, client)

    class RunnerHoldings(NoHoldings):
        def checkouts(self) -> list[int]:
            return checkouts(settings, node.node_id)

        def slots(self) -> tuple[int, int]:
            return (settings.build_slots, runner.held)

    return Role(
        holdings=RunnerHoldings(),
        activities=[source.clone, build.build, build.push, build.discard],
        held=[runner.hold],
        held_slots=settings.build_slots,
    )


def _runtime(settings: Settings, node: Node, control: NodeClient) -> Role:
    from activities.containers import Containers
    from activities.health import Health
    from activities.layers import Layers
    from activities.routes import Routes
    from api.runtime_agent import create_app

    routes = Routes(settings, node.node_id)
    containers = Containers(settings, node, control, routes)
    health = Health(containers, routes)

    class RuntimeHoldings(NoHoldings):
        def containers(self) -> list[ContainerSeen]:
            return containers.of_app()

        def routes(self) -> list[RouteSeen]:
            return routes.all()

    assert node.agent_port is not None
    return Role(
        holdings=RuntimeHoldings(),
        activities=[
            containers.start_container,
            containers.remove_container,
            containers.retire,
            containers.prune_local,
            health.check_health,
            health.soak,
            routes.switch_route,
            routes.remove_route,
        ],
        server=HttpServer(create_app(settings, containers), "127.0.0.1", node.agent_port),
        watch=Layers(settings, node.node_id, containers).watch,
    )


async def run(settings: Settings, node: Node) -> None:
    stop = stop_event()
    client = await connect(
        settings,
        process=node.node_id,
        runtime=metrics_runtime(f"127.0.0.1:{node.metrics_port}"),
        interceptors=telemetry.interceptors(),
    )
    role = build_role(settings, node, client)
    own = NodeActivities(settings, node.node_id, role.holdings)
    workers = [
        Worker(
            client,
            task_queue=ids.node_queue(node.node_id),
            activities=[own.probe, own.watch, own.inventory, *role.activities],
            max_concurrent_activities=NODE_SLOTS,
            max_heartbeat_throttle_interval=MAX_HEARTBEAT_THROTTLE,
            graceful_shutdown_timeout=GRACEFUL_SHUTDOWN,
            interceptors=[ObservedActivities()],
        )
    ]
    if role.held:
        workers.append(
            Worker(
                client,
                task_queue=ids.RUNNER_QUEUE,
                activities=role.held,
                max_concurrent_activities=role.held_slots,
                max_heartbeat_throttle_interval=HOLD_THROTTLE,
                graceful_shutdown_timeout=GRACEFUL_SHUTDOWN,
                interceptors=[ObservedActivities()],
            )
        )
    await say_hello(client, node.node_id, NodeRole(node.role))
    servers = [role.server.run(stop)] if role.server else []
    beside = [asyncio.create_task(report_process())]
    if role.watch:
        beside.append(asyncio.create_task(role.watch()))
    try:
        await asyncio.gather(run_workers(workers, stop), *servers)
    finally:
        for task in beside:
            task.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--role", choices=[role.value for role in NodeRole], required=True)
    parser.add_argument("--node", required=True, help="the node's id, e.g. runtime-102")
    given = parser.parse_args()
    settings = load_settings()
    node = settings.node(given.node)
    if node.role != given.role:
        parser.error(f"{node.node_id} is a {node.role}, not a {given.role}")
    logs.setup_logging(settings, node.node_id)
    telemetry.setup_tracing(settings, node.node_id)
    asyncio.run(run(settings, node))


if __name__ == "__main__":
    main()
