"""The platform's own processes, and what can only be done once the servers are up."""

from __future__ import annotations

import asyncio
import logging
import time

from sqlmodel import select

from ops.db import admin, migrate
from ops.db.session import Database
from ops.db.tables import NodeRow
from ops.errors import PlatformError
from ops.settings import Settings
from ops.stack import images, probes, sample
from ops.stack.probes import wait_ready
from ops.stack.shell import tail_file
from ops.stack.steps import Steps
from ops.stack.supervisor import Supervisor

NODE_SECONDS = 60


def bring_up(settings: Settings, steps: Steps, supervisor: Supervisor) -> bool:
    """Records, control, API, images, nodes, sample. True when the administrator is new."""
    with steps.step("Records and administrator") as line:
        # MariaDB warns of the name that Alembic gives its own primary key.
        logging.getLogger("asyncmy").setLevel(logging.ERROR)
        migrate.upgrade(settings)
        email, new = admin.ensure_admin(settings)
        line.note(f"{email} made" if new else email)
    supervisor.start("control")
    supervisor.start("api")
    for node in settings.nodes:
        supervisor.start(node.node_id)
    with steps.step("Deploy control"):
        wait_ready(supervisor, "control", probes.http(f"{settings.control_url}/health/live"))
    with steps.step("API"):
        address = f"http://127.0.0.1:{settings.ports.entry}/api/health/ready"
        wait_ready(supervisor, "api", probes.http(address))
    with steps.step("Base images") as line:
        images.ensure_base_images(settings, line)
    with steps.step("Base images in registry") as line:
        images.publish_base_images(settings, line)
    with steps.step("Nodes") as line:
        asyncio.run(_nodes_up(settings, supervisor))
        line.note(", ".join(node.node_id for node in settings.nodes))
    with steps.step("Sample app") as line:
        line.note(sample.deploy_sample(settings))
    return new


async def _nodes_up(settings: Settings, supervisor: Supervisor) -> None:
    """Every node's worker has said hello and its workflow has marked it UP."""
    database = Database.connect(settings)
    deadline = time.monotonic() + NODE_SECONDS
    try:
        while True:
            async with database.session() as session:
                rows = {row.node_id: row.status for row in await session.exec(select(NodeRow))}
            missing = [node for node in settings.nodes if rows.get(node.node_id) != "UP"]
            if not missing:
                return
            if time.monotonic() > deadline:
                name = missing[0].node_id
                raise PlatformError(
                    f"node {name} is {rows.get(name, 'not known')} after {NODE_SECONDS} s",
                    hint=f"its log: {supervisor.log(name)}",
                    log_tail=tail_file(supervisor.log(name)),
                )
            await asyncio.sleep(0.2)
    finally:
        await database.close()
