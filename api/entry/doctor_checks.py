"""One small function a hop: it answers what it found, or raises Trouble (red) or Skip.

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
from ops.error_codes import ErrorCode
from ops.errors import ErrorReport, StudioError, Values, from_problem
from ops.hop_reasons import TEXTS, HopReason
from ops.plain_http import NO_CERTIFICATES
from ops.settings import Node
from workflows import ids

SECONDS = 2.0
POLLED = timedelta(seconds=75)
"""A worker's poll is answered after a minute at the latest, and comes again at once."""


@dataclass(frozen=True)
class Finding:
    """What a look found, in words, and the code that says the same in other languages.

    ``report``: the recorded failure whose words ``values`` has as ``why``.
    """

    reason: str
    code: HopReason | ErrorCode
    values: Values = field(default_factory=dict)
    report: ErrorReport | None = None


def found(
    code: HopReason, /, *, report: ErrorReport | None = None, **values: str | int | float
) -> Finding:
    return Finding(TEXTS[code].format(**values), code, values, report)


class Trouble(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.reason)
        self.finding = finding


class Skip(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.reason)
        self.finding = finding


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


Check = Callable[[Scene], Awaitable[Finding]]
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
        raise Trouble(found(HopReason.ANSWERS_NOT, why=type(error).__name__)) from None


async def well(url: str, *, host: str | None = None) -> Finding:
    answer = await get(url, host=host)
    if answer.status_code >= 400:
        raise Trouble(found(HopReason.ANSWERS_WRONGLY, http=answer.status_code))
    return found(HopReason.ANSWERS)


async def ask_control(scene: Scene, path: str, **params: Any) -> Any:
    try:
        answer = await scene.use.control.get(path, params=params, timeout=SECONDS * 2)
    except httpx.HTTPError as error:
        raise Trouble(found(HopReason.CONTROL_SILENT, why=type(error).__name__)) from None
    if answer.status_code >= 400:
        raise refusal(answer)
    return answer.json()


def refusal(answer: httpx.Response) -> StudioError | Trouble:
    """The error that an answer tells, with its code."""
    try:
        return from_problem(answer.json())
    except (ValueError, KeyError, TypeError):
        return Trouble(found(HopReason.ANSWERS_WRONGLY, http=answer.status_code))


def the_app(scene: Scene) -> App:
    if scene.app is None:
        raise Skip(found(HopReason.NO_APP_NAMED))
    return scene.app


def the_user(scene: Scene) -> int:
    if scene.user_id is None:
        raise Skip(found(HopReason.NO_USER_NAMED))
    return scene.user_id


def sound(trouble: str) -> Finding:
    """What another host said of a thing: empty, or what is wrong with it."""
    if trouble:
        raise Trouble(found(HopReason.TOLD, why=trouble))
    return found(HopReason.ANSWERS)


# --- the entry, control, and servers that stand alone -------------------------------------------


@hop("nginx")
async def nginx(scene: Scene) -> Finding:
    settings = scene.use.settings
    answer = await get(
        f"{settings.entry_url}/api/health/live", host=settings.studio_url.partition("//")[2]
    )
    port = settings.ports.public
    return found(HopReason.ANSWERS_ON_PORT, port=port, http=answer.status_code)


@hop("api")
async def api(scene: Scene) -> Finding:
    return await well(f"http://127.0.0.1:{scene.use.settings.ports.entry}/api/health/live")


@hop("mariadb")
async def mariadb(scene: Scene) -> Finding:
    async with scene.use.database.session() as session:
        await session.exec(select(1))
    return found(HopReason.ANSWERS)


@hop("temporal")
async def temporal(scene: Scene) -> Finding:
    try:
        healthy = await scene.use.temporal.service_client.check_health(
            timeout=timedelta(seconds=SECONDS)
        )
    except RPCError as error:
        raise Trouble(found(HopReason.ANSWERS_NOT, why=error.status.name)) from None
    if not healthy:
        raise Trouble(found(HopReason.SAYS_UNHEALTHY))
    return found(HopReason.ANSWERS)


@hop("control")
async def control(scene: Scene) -> Finding:
    return await well(f"{scene.use.settings.control_url}/health/live")


@hop("control-queue")
async def control_queue(scene: Scene) -> Finding:
    """A query is answered by a worker that polls just now, or by none."""
    node_id = scene.use.settings.nodes[0].node_id
    handle = scene.use.temporal.get_workflow_handle(ids.node_workflow(node_id))
    try:
        await handle.query("status", rpc_timeout=timedelta(seconds=SECONDS * 2))
    except (RPCError, WorkflowQueryFailedError) as error:
        raise Trouble(found(HopReason.NO_WORKER_ANSWERED, node=node_id)) from error
    return found(HopReason.WORKER_ANSWERED)


async def polled(scene: Scene, queue: str) -> Finding:
    client = scene.use.temporal
    try:
        answer = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace,
                task_queue=TaskQueue(name=queue),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            ),
            timeout=timedelta(seconds=SECONDS),
        )
    except RPCError as error:
        why = error.status.name
        raise Trouble(found(HopReason.QUEUE_UNREADABLE, queue=queue, why=why)) from None
    seen = [poller.last_access_time.ToDatetime(UTC) for poller in answer.pollers]
    if not seen or datetime.now(UTC) - max(seen) > POLLED:
        raise Trouble(found(HopReason.QUEUE_NOT_POLLED, queue=queue))
    return found(HopReason.QUEUE_POLLED, queue=queue)


@hop("gitea")
async def gitea(scene: Scene) -> Finding:
    return await well(f"{scene.use.settings.gitea_url}/api/healthz")


@hop("registry")
async def registry(scene: Scene) -> Finding:
    answer = await get(f"http://{scene.use.settings.registry}/v2/")
    if answer.status_code not in (200, 401):
        raise Trouble(found(HopReason.ANSWERS_WRONGLY, http=answer.status_code))
    return found(HopReason.ANSWERS)


@hop("verdaccio")
async def verdaccio(scene: Scene) -> Finding:
    settings = scene.use.settings
    return await well(f"http://{settings.service_address}:{settings.ports.verdaccio}/-/ping")
