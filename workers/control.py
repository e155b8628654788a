"""The deploy control worker (host 100): every workflow, the activities of ``control``, and 7002."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.built import BuiltImages
from activities.database_sizes import DatabaseSizes
from activities.gitea_repos import GiteaRepositories
from activities.import_records import ImportRecords
from activities.mongo import Mongo
from activities.nodes_control import NodeRecords
from activities.placement import Placements
from activities.records import Records
from activities.user_records import UserRecords
from activities.verify import Verify
from activities.workspace_records import WorkspaceRecords
from api.deploy_control import create_app
from ops import logs, telemetry
from ops.crypto import Vault
from ops.db.session import Database
from ops.metrics import report_process
from ops.settings import Settings, load_settings
from ops.temporal import connect, metrics_runtime
from workers.control_workflows import WORKFLOWS
from workers.gauges import report_records
from workers.http_server import HttpServer
from workers.lifecycle import run_workers, stop_event
from workers.observe import ObservedActivities
from workers.removals import Removals
from workers.repairs import Repairs
from workers.sweep import sweep_forever
from workflows import ids
from workflows.policies import GRACEFUL_SHUTDOWN, MAX_HEARTBEAT_THROTTLE, STICKY


def control_activities(
    settings: Settings, database: Database, vault: Vault, client: Client
) -> Sequence[Callable[..., Any]]:
    """Every activity of the queue ``control``, the local ones of the records among them."""
    records = Records(database, settings)
    nodes = NodeRecords(database, settings)
    mongo = Mongo(settings, database, vault)
    images = BuiltImages(settings, database)
    workspaces = WorkspaceRecords(database, settings, vault)
    users = UserRecords(database, settings)
    imports = ImportRecords(database)
    removals = Removals(database, client)
    return [
        records.load_plan,
        records.record_progress,
        records.record_pushed,
        records.record_live,
        records.record_unlive,
        records.record_owed,
        records.take_prunable,
        records.load_app,
        records.delete_app_records,
        records.open_repair,
        Placements(database, settings).place,
        nodes.record_node,
        nodes.reconcile,
        mongo.ensure_database,
        mongo.drop_database,
        images.find_built,
        images.delete_image,
        images.delete_unnamed_images,
        images.delete_app_images,
        Verify(settings).verify,
        GiteaRepositories(settings).delete_repository,
        Repairs(records, client).ask_repair,
        imports.load_import,
        imports.record_import,
        workspaces.place_workspace,
        workspaces.register_workspace_key,
        workspaces.record_workspace,
        workspaces.owe_checkout,
        workspaces.settle_checkout,
        users.load_user,
        users.record_deletion,
        users.delete_git_user,
        users.delete_user_records,
        removals.delete_user_app,
        removals.remove_user_workspace,
        removals.leave_workspace,
        removals.stop_import,
    ]


async def run(settings: Settings) -> None:
    stop = stop_event()
    database = Database.connect(settings)
    vault = Vault.open(settings)
    runtime = metrics_runtime(f"127.0.0.1:{settings.ports.control_metrics}")
    sizes = DatabaseSizes(settings)
    server = HttpServer(
        create_app(settings, database, vault, sizes=sizes),
        str(settings.service_address),
        settings.ports.deploy_control,
    )
    serving = asyncio.create_task(server.run(stop))
    client = await connect(
        settings,
        process="control",
        runtime=runtime,
        interceptors=telemetry.interceptors(),
    )
    worker = Worker(
        client,
        task_queue=ids.CONTROL_QUEUE,
        workflows=WORKFLOWS,
        workflow_runner=UnsandboxedWorkflowRunner(),  # see decision 10
        activities=control_activities(settings, database, vault, client),
        max_heartbeat_throttle_interval=MAX_HEARTBEAT_THROTTLE,
        graceful_shutdown_timeout=GRACEFUL_SHUTDOWN,
        sticky_queue_schedule_to_start_timeout=STICKY,
        interceptors=[ObservedActivities()],
    )
    beside = [
        asyncio.create_task(sweep_forever(client, database, settings)),
        asyncio.create_task(report_records(database)),
        asyncio.create_task(report_process()),
        asyncio.create_task(sizes.watch()),
    ]
    try:
        await asyncio.gather(run_workers([worker], stop), serving)
    finally:
        for task in beside:
            task.cancel()
        await database.close()


def main() -> None:
    settings = load_settings()
    logs.setup_logging(settings, "control")
    telemetry.setup_tracing(settings, "control")
    asyncio.run(run(settings))


if __name__ == "__main__":
    main()
