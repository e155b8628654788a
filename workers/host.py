"""A node's worker: ``python -m workers.host --role workspace|runner|runtime --node NODE_ID``.

It imports only what its role needs, serves its node's task queue, and says hello.
"""

from __future__ import annotations

import argparse
import asyncio
import uuid
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio.client import Client
from temporalio.worker import Worker

from activities.contracts.nodes import ContainerSeen, NodeInfo, NodeRole, RouteSeen
from activities.nodes import Holdings, NodeActivities, NoHoldings
from ops import logs, telemetry
from ops.engine_ping import trouble
from ops.metrics import report_process
from ops.nodeclient import NodeClient
from ops.settings import Node, Settings, load_settings
from ops.temporal import connect, metrics_runtime
from workers.lifecycle import run_workers, say_hello, stay_known, stop_event
from workers.observe import ObservedActivities
from workflows import ids
from workflows.policies import GRACEFUL_SHUTDOWN, HOLD_THROTTLE, MAX_HEARTBEAT_THROTTLE

if TYPE_CHECKING:
    from workers.http_server import HttpServer

Activities = Sequence[Callable[..., Any]]
NODE_SLOTS = 64
"""Activities of one node at a time: builds are limited by held slots, the rest is short."""


@dataclass
class Role:
    """What a role adds to the node's own activities."""

    holdings: Holdings = field(default_factory=NoHoldings)
    activities: Activities = ()
    held: Activities = ()
    held_queue: str = ""
    held_slots: int = 0
    held_throttle: timedelta = MAX_HEARTBEAT_THROTTLE
    server: HttpServer | None = None
    watches: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()


def build_role(settings: Settings, node: Node, client: Client, control: NodeClient) -> Role:
    if node.role == "runner":
        return _runner(settings, node, client, control)
    if node.role == "runtime":
        return _runtime(settings, node, control)
    return _workspace(settings, node, client, control)


def _runner(settings: Settings, node: Node, client: Client, control: NodeClient) -> Role:
    from activities.build import Build
    from activities.build_cache import BuildCache
    from activities.build_folder import checkouts
    from activities.build_secrets import RunnerSecrets
    from activities.runner import Runner
    from activities.source import Source

    secrets = RunnerSecrets(control)
    source = Source(settings, node.node_id, secrets)
    build = Build(settings, node.node_id, secrets)
    runner = Runner(settings, node.node_id, client, control)

    class RunnerHoldings(NoHoldings):
        def checkouts(self) -> list[int]:
            return checkouts(settings, node.node_id)

        def slots(self) -> tuple[int, int]:
            return (settings.build_slots, runner.held)

        def engine(self) -> str:
            return trouble(settings.build_socket)

    return Role(
        holdings=RunnerHoldings(),
        activities=[source.clone, build.build, build.push, build.discard],
        held=[runner.hold],
        held_queue=ids.RUNNER_QUEUE,
        held_slots=settings.build_slots,
        watches=[BuildCache(settings).watch],
        held_throttle=HOLD_THROTTLE,
    )


def _runtime(settings: Settings, node: Node, control: NodeClient) -> Role:
    from activities.app_figures import AppFigures
    from activities.containers import Containers
    from activities.health import Health
    from activities.layers import Layers
    from activities.routes import Routes
    from api.runtime_agent import create_app
    from workers.http_server import HttpServer

    routes = Routes(settings, node.node_id)
    containers = Containers(settings, node, control, routes)
    health = Health(settings, containers, routes)

    class RuntimeHoldings(NoHoldings):
        def containers(self) -> list[ContainerSeen]:
            return containers.of_app()

        def routes(self) -> list[RouteSeen]:
            return routes.all()

        def images(self) -> list[str]:
            return containers.repositories()

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
        server=HttpServer(create_app(settings, containers, routes), "127.0.0.1", node.agent_port),
        watches=[
            Layers(settings, node.node_id, containers).watch,
            AppFigures(containers).watch,
        ],
    )


def _workspace(settings: Settings, node: Node, client: Client, control: NodeClient) -> Role:
    from activities.imports import Imports
    from activities.package_cache import PackageCache
    from activities.runs import Runs
    from activities.workspace import Workspaces
    from activities.workspace_exec import Execs
    from activities.workspace_git import WorkspaceGit
    from api.workspace_node.app import create_app
    from workers.http_server import HttpServer

    execs = Execs(settings)
    workspaces = Workspaces(settings, node, control)
    git = WorkspaceGit(settings, workspaces.disks, execs)
    imports = Imports(settings, node, control)
    runs = Runs(settings, node, client, execs, control)

    class WorkspaceHoldings(NoHoldings):
        def workspaces(self) -> list[int]:
            return workspaces.held()

    assert node.agent_port is not None
    return Role(
        holdings=WorkspaceHoldings(),
        activities=[
            workspaces.ensure_workspace,
            workspaces.stop_workspace,
            workspaces.remove_workspace,
            git.ensure_checkout,
            git.remove_checkout,
            git.save_work,
            imports.import_repository,
            runs.start_run,
            runs.stop_run,
        ],
        held=[runs.follow_run],
        held_queue=ids.runs_queue(node.node_id),
        held_slots=settings.max_runs,
        server=HttpServer(create_app(settings, node, client, execs), "127.0.0.1", node.agent_port),
        watches=[workspaces.watch, imports.watch, PackageCache(settings).watch],
    )


async def run(settings: Settings, node: Node) -> None:
    stop = stop_event()
    # What blocks waits for an engine, not for a processor: nobody's opening waits for a thread.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2 * NODE_SLOTS))
    client = await connect(
        settings,
        process=node.node_id,
        runtime=metrics_runtime(f"127.0.0.1:{node.metrics_port}"),
        interceptors=telemetry.interceptors(),
    )
    control = NodeClient(settings, node.node_id)
    role = build_role(settings, node, client, control)
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
                task_queue=role.held_queue,
                activities=role.held,
                max_concurrent_activities=role.held_slots,
                max_heartbeat_throttle_interval=role.held_throttle,
                graceful_shutdown_timeout=GRACEFUL_SHUTDOWN,
                interceptors=[ObservedActivities()],
            )
        )
    info = NodeInfo(node_id=node.node_id, role=NodeRole(node.role), boot_id=uuid.uuid4().hex)
    await say_hello(client, info, control.draining)
    servers = [role.server.run(stop)] if role.server else []
    beside = [
        asyncio.create_task(report_process()),
        asyncio.create_task(stay_known(client, info, control.draining)),
    ]
    beside += [asyncio.create_task(watch()) for watch in role.watches]
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
