"""One strike: deploy a new release over an old one, ``kill -9`` programs in its stages, and look.

What has to hold afterwards is the product's promise: the same deployment ends, SUCCEEDED or with
everything undone; exactly one container of the app runs; nothing is left over; and the old release
answered all along, unless the killed program stands on the request's own way.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import docker
from temporalio.client import Client, WorkflowExecutionStatus

from activities.routes import Routes
from ops.temporal import connect
from tests.support import apps
from tests.support.platform import Platform
from tests.support.user import ENDED, App, User, busy_clients, ok
from workflows import ids

PROGRAMS = (
    "api",
    "control",
    "runner-101",
    "runtime-102",
    "temporal",
    "traefik-runtime-102",
    "registry",
    "gitea",
)
STAGES = ("clone", "build", "push", "start", "health", "switch", "soak")
ON_THE_REQUESTS_WAY = {"traefik-runtime-102"}
END_SECONDS = 150
PAYLOAD_BYTES = 24 * 1024 * 1024


def slow_at_every_stage(text: str) -> dict[str, str | bytes]:
    """An app whose clone, build, push, pull and start each take long enough to be hit."""
    return apps.slow_start(1.5, text) | {
        "payload.bin": secrets.token_bytes(PAYLOAD_BYTES),
        "Dockerfile": """
FROM node:24-bookworm-slim
WORKDIR /app
COPY . ./
RUN for i in 1 2 3; do echo "building $i"; sleep 0.5; done
USER 1000
CMD ["node", "server.js"]
""",
    }


@dataclass
class Outcome:
    """What was found after a strike; ``wrong`` is empty when the promise held."""

    program: str
    stage: str
    hit: str = ""
    """The stages that ran at the moment of the kill: short ones may have passed by then."""
    status: str = ""
    seconds: float = 0.0
    answers: int = 0
    failed: int = 0
    wrong: list[str] = field(default_factory=list)


async def standing(user: User) -> App:
    """An app that is live, for any number of strikes: each leaves one live release behind."""
    app = await user.app(apps.hello("old"))
    first = await app.deployed()
    assert first["status"] == "SUCCEEDED", first
    return app


async def strike(platform: Platform, app: App, *hits: tuple[str, str]) -> Outcome:
    """Kill each program as soon as its stage of one deployment over a live release is seen to run."""
    programs, stages = (", ".join(names) for names in zip(*hits, strict=True))
    outcome = Outcome(programs, stages)
    killed: dict[str, int] = {}
    moments: list[datetime] = []
    old = await app.live()
    await app.push(slow_at_every_stage("new"))
    started = asyncio.get_running_loop().time()
    async with busy_clients(app, 2) as traffic:
        deployment_id = await app.deploy()
        for program, stage in hits:
            await app.at_stage(deployment_id, stage, every=0.005)
            killed[program] = platform.kill(program)
            moments.append(datetime.now(UTC))
        ended = await app.ended(deployment_id, seconds=END_SECONDS)
    outcome.seconds = asyncio.get_running_loop().time() - started
    outcome.status = ended["status"]
    running = [stage for moment in moments for stage in running_at(moment, ended)]
    outcome.hit = ", ".join(dict.fromkeys(running)) or "between stages"
    outcome.answers, outcome.failed = traffic.answers, len(traffic.failures)
    if traffic.failures and not ON_THE_REQUESTS_WAY & killed.keys():
        outcome.wrong.append(f"{len(traffic.failures)} failed requests: {traffic.failures[:3]}")
    for program, pid in killed.items():
        if not await _is_back(platform, program, pid):
            outcome.wrong.append(f"{program} was not brought back")
    outcome.wrong += await look(platform, app, ended, old)
    return outcome


def running_at(moment: datetime, deployment: dict[str, Any]) -> list[str]:
    """The stages of a deployment that has ended which ran then, or began again after it."""
    found = []
    for stage in deployment["stages"]:
        begun, ended = (
            datetime.fromisoformat(stage[key]) if stage[key] else None
            for key in ("started_at", "ended_at")
        )
        again = stage["attempt"] > 1
        if begun and (begun <= moment or again) and (ended is None or moment <= ended):
            found.append(stage["name"])
    return found


async def look(
    platform: Platform, app: App, ended: dict[str, Any], old: dict[str, Any]
) -> list[str]:
    """Everything that is not as promised after a deployment has ended."""
    wrong = []
    if ended["status"] not in ENDED:
        wrong.append(f"it ended {ended['status']}")
    live = ended["id"] if ended["status"] == "SUCCEEDED" else old["id"]
    if ended["status"] != "SUCCEEDED" and not ended["error"]:
        wrong.append("it failed without saying why")
    client = await connect(platform.settings)
    await _settled(client, app)
    answer = await app.get()
    if answer.headers.get("X-Studio-Release") != str(live):
        wrong.append(f"the URL answers from {answer.headers.get('X-Studio-Release')}, not {live}")
    history = ok(await app.api.get(f"/api/apps/{app.id}/deployments", params={"limit": 100}))
    known = {deployment["id"] for deployment in history}
    wrong += await asyncio.to_thread(leftovers, platform, app, live, known)
    return wrong


def leftovers(platform: Platform, app: App, live: int, deployments: set[int]) -> list[str]:
    """Containers, routes and checkouts of an app that should not be there, or are missing."""
    wrong = []
    settings = platform.settings
    engine = docker.DockerClient(base_url=f"unix://{settings.docker_socket}")
    try:
        found = engine.containers.list(
            all=True,
            filters={
                "label": [f"studio.platform={settings.platform}", f"studio.app={app.id}"],
            },
        )
        names = {container.name: container.status for container in found}
    finally:
        engine.close()
    wanted = {settings.name_prefix + ids.app_container(app.id, live): "running"}
    if names != wanted:
        wrong.append(f"containers {names}, not {wanted}")
    target = Routes(settings, "runtime-102").current(app.id)
    if target is None or target.release_id != live:
        wrong.append(f"the route leads to {target}")
    for node in settings.nodes:
        builds = settings.node_home(node.node_id) / "builds"
        if node.role == "runner" and builds.is_dir():
            left = [number for number in deployments if (builds / str(number)).exists()]
            if left:
                wrong.append(f"checkouts left on {node.node_id}: {left}")
    return wrong


async def _settled(client: Client, app: App) -> None:
    """Until the app's lock is free."""
    handle = client.get_workflow_handle(ids.deploy_workflow(app.id))
    async with asyncio.timeout(30):
        while (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
            await asyncio.sleep(0.1)


async def _is_back(platform: Platform, program: str, pid: int) -> bool:
    try:
        async with asyncio.timeout(30):
            while platform.pid(program) in (0, pid):
                await asyncio.sleep(0.1)
    except TimeoutError:
        return False
    return True
