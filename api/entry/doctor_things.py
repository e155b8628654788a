"""Hops of one app and of one workspace; skipped when none was named."""

from __future__ import annotations

from typing import Any

import httpx
from sqlmodel import col, select

from activities.contracts.workspace import Run, WorkspaceStatus
from api.entry.doctor_checks import (
    SECONDS,
    Scene,
    Skip,
    Trouble,
    get,
    hop,
    polled,
    sound,
    the_app,
    the_user,
)
from api.entry.doctor_hosts import heartbeat, runtime_health
from api.entry.schemas_workspace import TaskState
from ops.appdata import ListCollections
from ops.db.tables import Deployment, Workspace
from ops.settings import Node
from workflows import ids

# --- an app ------------------------------------------------------------------------------------


@hop("app")
async def app_record(scene: Scene) -> str:
    app = the_app(scene)
    if app.deleting:
        raise Trouble(f"{app.slug} is being deleted")
    if app.stopped:
        raise Trouble(f"{app.slug} was stopped")
    if app.live_deployment_id is None:
        raise Trouble(f"{app.slug} was never live")
    return f"{app.slug} is live as release {app.live_deployment_id} on {app.node_id}"


@hop("route")
async def route(scene: Scene) -> str:
    app, found = the_app(scene), await runtime_health(scene)
    if found["route"] is None:
        raise Trouble("there is no route to it")
    if found["route"] != app.live_deployment_id:
        raise Trouble(f"the route leads to release {found['route']}")
    return f"it leads to release {found['route']}"


@hop("container")
async def container(scene: Scene) -> str:
    app, found = the_app(scene), await runtime_health(scene)
    if app.live_deployment_id not in found["running"]:
        raise Trouble(f"no container of release {app.live_deployment_id} runs")
    return f"the container of release {app.live_deployment_id} runs"


@hop("address")
async def address(scene: Scene) -> str:
    the_app(scene)
    return sound((await runtime_health(scene))["answers"])


@hop("public")
async def public(scene: Scene) -> str:
    app, settings = the_app(scene), scene.use.settings
    assert app.id is not None
    path = f"/apps/{app.id}/" if settings.routing == "path" else "/"
    host = settings.studio_host if settings.routing == "path" else settings.app_host(app.slug)
    answer = await get(settings.entry_url + path, host=host)
    release = answer.headers.get("X-Studio-Release")
    if release != str(app.live_deployment_id):
        raise Trouble(f"it answers {answer.status_code} from {release or 'no'} release")
    if answer.status_code >= 500:
        raise Trouble(f"it answers {answer.status_code}")
    return f"it answers {answer.status_code} from release {release}"


@hop("last-deployment")
async def last_deployment(scene: Scene) -> str:
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
        raise Skip("it was never deployed")
    if row.error:
        stage = row.error.get("stage") or "the start"
        raise Trouble(f"deployment {row.id} is {row.status} at {stage}: {row.error.get('what')}")
    return f"deployment {row.id} is {row.status}"


@hop("database")
async def database(scene: Scene) -> str:
    app = the_app(scene)
    try:
        answer = await scene.use.control.post(
            f"/apps/{app.id}/data", json=ListCollections().model_dump(), timeout=SECONDS * 2
        )
    except httpx.HTTPError as error:
        raise Trouble(f"it does not answer ({type(error).__name__})") from None
    found = answer.json()
    if answer.status_code != 200:
        raise Trouble(str(found.get("detail", answer.status_code)))
    counts = [f"{one['name']}: {one['documents']}" for one in found["collections"][:20]]
    return "documents by collection: " + (", ".join(counts) or "there is no collection")


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
            raise Trouble(
                f"the agent of {node.node_id} does not answer ({type(error).__name__})"
            ) from None
        return answer.json()

    found: dict[str, str] = await scene.once("workspace-health", ask)
    return found


@hop("workspace-agent")
async def workspace_agent(scene: Scene) -> str:
    await _health(scene)
    return f"the agent of {(await _node(scene)).node_id} answers"


@hop("workspace-docker")
async def workspace_docker(scene: Scene) -> str:
    return sound((await _health(scene))["engine"])


@hop("workspace-node")
async def workspace_node(scene: Scene) -> str:
    return await heartbeat(scene, await _node(scene))


@hop("workspace-queue")
async def workspace_queue(scene: Scene) -> str:
    return await polled(scene, ids.node_queue((await _node(scene)).node_id))


@hop("workspace-nginx")
async def workspace_nginx(scene: Scene) -> str:
    node = await _node(scene)
    answer = await get(f"http://127.0.0.1:{node.gateway_port}/", host="nobody.invalid")
    return f"it answers ({answer.status_code} for a name that nobody has)"


@hop("workspace")
async def workspace(scene: Scene) -> str:
    user_id = the_user(scene)
    row = await _workspace(scene)
    if row is None:
        raise Trouble(f"user {user_id} never opened a workspace")
    if row.status != WorkspaceStatus.OPEN:
        raise Trouble(f"the workspace of user {user_id} is {row.status}")
    return f"OPEN on {row.node_id}"


@hop("workspace-container")
async def workspace_container(scene: Scene) -> str:
    the_user(scene)
    return sound((await _health(scene))["container"])


@hop("run")
async def run(scene: Scene) -> str:
    the_user(scene)
    row = await _workspace(scene)
    latest = Run.model_validate(row.run) if row and row.run else None
    if latest is None:
        raise Trouble("nothing was started in the workspace")
    state = TaskState.of(latest)
    if state is not TaskState.RUNNING:
        raise Trouble(f"the run of {latest.task} is {state}")
    return f"the run of {latest.task} is {state}"


@hop("preview")
async def preview(scene: Scene) -> str:
    the_user(scene)
    return sound((await _health(scene))["preview"])
