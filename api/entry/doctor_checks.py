"""One small function a hop: it answers what it saw, or raises Trouble (red) or Skip.

Each asks the thing itself, now. Who may reach what stays as it is: app hosts and the data servers
are asked by way of deploy control. Here is what they share, and the hops of the entry and control;
``doctor_hosts`` and ``doctor_things`` have the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import httpx
from sqlmodel import select
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import WorkflowQueryFailedError
from temporalio.service import RPCError

from api.entry.services import Services
from ops.db.tables import App
from ops.plain_http import NO_CERTIFICATES
from ops.settings import Node
from workflows import ids

SECONDS = 2.0
POLLED = timedelta(seconds=75)
"""A worker's poll is answered after a minute at the latest, and comes again at once."""


class Trouble(Exception):
    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Skip(Exception):
    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass
class Scene:
    """What is looked at. ``app`` and ``user_id`` None: only the platform."""

    use: Services
    app: App | None = None
    user_id: int | None = None
    _asked: dict[str, asyncio.Task[Any]] = field(default_factory=dict)

    async def once(self, what: str, ask: Callable[[], Awaitable[Any]]) -> Any:
        """An answer that several hops read is asked for once."""
        if what not in self._asked:
            self._asked[what] = asyncio.ensure_future(_awaited(ask))
        return await asyncio.shield(self._asked[what])

    def node(self, role: Literal["workspace", "runtime"], node_id: str | None) -> Node:
        nodes = [node for node in self.use.settings.nodes if node.role == role]
        return next((node for node in nodes if node.node_id == node_id), nodes[0])

    @property
    def runtime(self) -> Node:
        return self.node("runtime", self.app.node_id if self.app else None)


async def _awaited(ask: Callable[[], Awaitable[Any]]) -> Any:
    return await ask()


Check = Callable[[Scene], Awaitable[str]]
CHECKS: dict[str, Check] = {}


def hop(key: str) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        CHECKS[key] = check
        return check

    return add


async def get(url: str, *, host: str | None = None) -> httpx.Response:
    """Any answer counts as one; Trouble when there is none."""
    try:
        async with httpx.AsyncClient(
            timeout=SECONDS, trust_env=False, verify=NO_CERTIFICATES
        ) as client:
            return await client.get(url, headers={"Host": host} if host else None)
    except httpx.HTTPError as error:
        raise Trouble(f"it does not answer ({type(error).__name__})") from None


async def well(url: str, *, host: str | None = None) -> str:
    answer = await get(url, host=host)
    if answer.status_code >= 400:
        raise Trouble(f"it answers {answer.status_code}")
    return "it answers"


async def ask_control(scene: Scene, path: str, **params: Any) -> Any:
    try:
        answer = await scene.use.control.get(path, params=params, timeout=SECONDS * 2)
    except httpx.HTTPError as error:
        raise Trouble(f"deploy control does not answer ({type(error).__name__})") from None
    found = answer.json()
    if answer.status_code >= 400:
        raise Trouble(str(found.get("detail", f"it answers {answer.status_code}")))
    return found


def the_app(scene: Scene) -> App:
    if scene.app is None:
        raise Skip("no app was named")
    return scene.app


def the_user(scene: Scene) -> int:
    if scene.user_id is None:
        raise Skip("no user (or app) was named")
    return scene.user_id


def sound(trouble: str) -> str:
    """What another host said of a thing: empty, or what is wrong with it."""
    if trouble:
        raise Trouble(trouble)
    return "it answers"


# --- the entry, control, and servers that stand alone -------------------------------------------


@hop("nginx")
async def nginx(scene: Scene) -> str:
    settings = scene.use.settings
    answer = await get(
        f"{settings.entry_url}/api/health/live", host=settings.studio_url.partition("//")[2]
    )
    return f"it answers on port {settings.ports.public} ({answer.status_code})"


@hop("api")
async def api(scene: Scene) -> str:
    return await well(f"http://127.0.0.1:{scene.use.settings.ports.entry}/api/health/live")


@hop("mariadb")
async def mariadb(scene: Scene) -> str:
    async with scene.use.database.session() as session:
        await session.exec(select(1))
    return "it answers"


@hop("temporal")
async def temporal(scene: Scene) -> str:
    try:
        healthy = await scene.use.temporal.service_client.check_health(
            timeout=timedelta(seconds=SECONDS)
        )
    except RPCError as error:
        raise Trouble(f"it does not answer ({error.status.name})") from None
    if not healthy:
        raise Trouble("it says that it is not healthy")
    return "it answers"


@hop("control")
async def control(scene: Scene) -> str:
    return await well(f"{scene.use.settings.control_url}/health/live")


@hop("control-queue")
async def control_queue(scene: Scene) -> str:
    """A query is answered by a worker that polls just now, or by none."""
    node_id = scene.use.settings.nodes[0].node_id
    handle = scene.use.temporal.get_workflow_handle(ids.node_workflow(node_id))
    try:
        await handle.query("status", rpc_timeout=timedelta(seconds=SECONDS * 2))
    except (RPCError, WorkflowQueryFailedError) as error:
        raise Trouble(f"no worker answered for the workflow of {node_id}") from error
    return "a workflow was asked, and answered"


async def polled(scene: Scene, queue: str) -> str:
    client = scene.use.temporal
    try:
        found = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace,
                task_queue=TaskQueue(name=queue),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            ),
            timeout=timedelta(seconds=SECONDS),
        )
    except RPCError as error:
        raise Trouble(f"the queue {queue} cannot be read ({error.status.name})") from None
    seen = [poller.last_access_time.ToDatetime(UTC) for poller in found.pollers]
    if not seen or datetime.now(UTC) - max(seen) > POLLED:
        raise Trouble(f"no worker polls the queue {queue}")
    return f"the queue {queue} is polled"


@hop("gitea")
async def gitea(scene: Scene) -> str:
    return await well(f"{scene.use.settings.gitea_url}/api/healthz")


@hop("registry")
async def registry(scene: Scene) -> str:
    answer = await get(f"http://{scene.use.settings.registry}/v2/")
    if answer.status_code not in (200, 401):
        raise Trouble(f"it answers {answer.status_code}")
    return "it answers"


@hop("verdaccio")
async def verdaccio(scene: Scene) -> str:
    settings = scene.use.settings
    return await well(f"http://{settings.service_address}:{settings.ports.verdaccio}/-/ping")
