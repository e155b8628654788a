"""Hops of one app and of one workspace; skipped when none was named."""

from __future__ import annotations

from typing import Any

import httpx
from sqlmodel import col, select

from activities.contracts.workspace import Run, WorkspaceStatus
from api.entry.doctor_checks import (
    SECONDS,
    Finding,
    Scene,
    Skip,
    Trouble,
    found,
    get,
    hop,
    polled,
    refusal,
    sound,
    the_app,
    the_user,
)
from api.entry.doctor_hosts import heartbeat, runtime_health
from api.entry.schemas_workspace import TaskState
from ops.appdata import ListCollections
from ops.db.tables import Deployment, Workspace
from ops.error_codes import ErrorCode
from ops.errors import ErrorReport, NodeUnavailable
from ops.hop_reasons import HopReason
from ops.settings import Node
from workflows import ids

# --- an app ------------------------------------------------------------------------------------


@hop("app")
async def app_record(scene: Scene) -> Finding:
    app = the_app(scene)
    if app.deleting:
        raise Trouble(found(HopReason.APP_BEING_DELETED, app=app.slug))
    if app.stopped:
        raise Trouble(found(HopReason.APP_STOPPED, app=app.slug))
    if app.live_deployment_id is None:
        raise Trouble(found(HopReason.APP_NEVER_LIVE, app=app.slug))
    return found(
        HopReason.APP_SERVES,
        app=app.slug,
        release=app.live_deployment_id,
        node=app.node_id or "",
    )


@hop("route")
async def route(scene: Scene) -> Finding:
    app, release = the_app(scene), (await runtime_health(scene))["route"]
    if release is None:
        raise Trouble(found(HopReason.ROUTE_NONE))
    if release != app.live_deployment_id:
        raise Trouble(found(HopReason.ROUTE_ELSEWHERE, release=release))
    return found(HopReason.ROUTE_LEADS, release=release)


@hop("container")
async def container(scene: Scene) -> Finding:
    release, health = the_app(scene).live_deployment_id, await runtime_health(scene)
    assert release is not None, "the hop of its record, which this one needs, is not well then"
    if release not in health["running"]:
        raise Trouble(found(HopReason.CONTAINER_NONE, release=release))
    return found(HopReason.CONTAINER_RUNS, release=release)


@hop("address")
async def address(scene: Scene) -> Finding:
    the_app(scene)
    return sound((await runtime_health(scene))["answers"])


@hop("public")
async def public(scene: Scene) -> Finding:
    app, settings = the_app(scene), scene.use.settings
    assert app.id is not None
    path = f"/apps/{app.id}/" if settings.routing == "path" else "/"
    host = settings.studio_host if settings.routing == "path" else settings.app_host(app.slug)
    answer = await get(settings.entry_url + path, host=host)
    http, release = answer.status_code, answer.headers.get("X-Studio-Release")
    if not release:
        raise Trouble(found(HopReason.RELEASE_NONE, http=http))
    if release != str(app.live_deployment_id):
        raise Trouble(found(HopReason.RELEASE_OTHER, http=http, release=release))
    if http >= 500:
        raise Trouble(found(HopReason.ANSWERS_WRONGLY, http=http))
    return found(HopReason.RELEASE_ANSWERS, http=http, release=release)


@hop("last-deployment")
async def last_deployment(scene: Scene) -> Finding:
    app = the_app(scene)
    query = (
        select(Deployment)
        .where(Deployment.app_id == app.id)
        .order_by(col(Deployment.id).desc())
        .limit(1)
    )
    async with scene.use.database.session() as session:
        row = (await session.exec(query)).first()
    if row is None:
        raise Skip(found(HopReason.DEPLOYMENT_NEVER))
    assert row.id is not None
    if row.error:
        raise Trouble(failed(row.id, row.status, ErrorReport.model_validate(row.error)))
    return found(HopReason.DEPLOYMENT_IS, id=row.id, status=row.status)


def failed(deployment_id: int, status: str, report: ErrorReport) -> Finding:
    if report.stage is None:
        return found(
            HopReason.DEPLOYMENT_FAILED,
            report=report,
            id=deployment_id,
            status=status,
            why=report.what,
        )
    return found(
        HopReason.DEPLOYMENT_FAILED_AT,
        report=report,
        id=deployment_id,
        status=status,
        stage=report.stage,
        why=report.what,
    )


@hop("database")
async def database(scene: Scene) -> Finding:
    app = the_app(scene)
    try:
        answer = await scene.use.control.post(
            f"/apps/{app.id}/data", json=ListCollections().model_dump(), timeout=SECONDS * 2
        )
    except httpx.HTTPError as error:
        raise Trouble(found(HopReason.ANSWERS_NOT, why=type(error).__name__)) from None
    if answer.status_code != 200:
        raise refusal(answer)
    collections = answer.json()["collections"]
    counts = ", ".join(f"{one['name']}: {one['documents']}" for one in collections[:20])
    return (
        found(HopReason.COLLECTIONS, counts=counts) if counts else found(HopReason.COLLECTIONS_NONE)
    )


# --- a workspace -------------------------------------------------------------------------------


async def _workspace(scene: Scene) -> Workspace | None:
    if scene.user_id is None:
        return None

    async def read() -> Any:
        async with scene.use.database.session() as session:
            return await session.get(Workspace, scene.user_id)

    row: Workspace | None = await scene.once("workspace", read)
    return row


async def _node(scene: Scene) -> Node:
    try:
        row = await _workspace(scene)
    except Exception:  # the records are away: that is another hop's finding
        row = None
    return scene.node("workspace", row.node_id if row else None)


async def _health(scene: Scene) -> dict[str, str]:
    async def ask() -> Any:
        node = await _node(scene)
        row = await _workspace(scene) if scene.user_id else None
        slot = {} if row is None or row.slot is None else {"slot": row.slot}
        url = f"http://127.0.0.1:{node.agent_port}/users/{scene.user_id or 1}/health"
        try:
            answer = await scene.use.workspaces.get(url, params=slot, timeout=SECONDS * 2)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            why = type(error).__name__
            raise NodeUnavailable(
                f"the agent of {node.node_id} does not answer ({why})",
                code=ErrorCode.AGENT_AWAY,
                values={"node": node.node_id, "why": why},
            ) from None
        return answer.json()

    health: dict[str, str] = await scene.once("workspace-health", ask)
    return health


@hop("workspace-agent")
async def workspace_agent(scene: Scene) -> Finding:
    await _health(scene)
    return found(HopReason.AGENT_ANSWERS, node=(await _node(scene)).node_id)


@hop("workspace-docker")
async def workspace_docker(scene: Scene) -> Finding:
    return sound((await _health(scene))["engine"])


@hop("workspace-node")
async def workspace_node(scene: Scene) -> Finding:
    return await heartbeat(scene, await _node(scene))


@hop("workspace-queue")
async def workspace_queue(scene: Scene) -> Finding:
    return await polled(scene, ids.node_queue((await _node(scene)).node_id))


@hop("workspace-nginx")
async def workspace_nginx(scene: Scene) -> Finding:
    node = await _node(scene)
    answer = await get(f"http://127.0.0.1:{node.gateway_port}/", host="nobody.invalid")
    return found(HopReason.ANSWERS_STRANGERS, http=answer.status_code)


@hop("workspace")
async def workspace(scene: Scene) -> Finding:
    user_id = the_user(scene)
    row = await _workspace(scene)
    if row is None:
        raise Trouble(found(HopReason.WORKSPACE_NEVER, user=user_id))
    if row.status != WorkspaceStatus.OPEN:
        raise Trouble(found(HopReason.WORKSPACE_IS, user=user_id, status=row.status))
    return found(HopReason.WORKSPACE_OPEN, node=row.node_id or "")


@hop("workspace-container")
async def workspace_container(scene: Scene) -> Finding:
    the_user(scene)
    return sound((await _health(scene))["container"])


@hop("run")
async def run(scene: Scene) -> Finding:
    the_user(scene)
    row = await _workspace(scene)
    latest = Run.model_validate(row.run) if row and row.run else None
    if latest is None:
        raise Trouble(found(HopReason.RUN_NEVER))
    state = TaskState.of(latest)
    said = found(HopReason.RUN_IS, task=latest.task.value, status=state.value)
    if state is not TaskState.RUNNING:
        raise Trouble(said)
    return said


@hop("preview")
async def preview(scene: Scene) -> Finding:
    the_user(scene)
    return sound((await _health(scene))["preview"])
