"""What a build and a container need and no history may hold."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from sqlmodel import col, select

from activities.contracts.base import DeploymentKind, DeploymentStatus
from api.deploy_control.auth import ARunner, ARuntime
from api.deploy_control.registry_tokens import build_user, push_user
from api.deploy_control.state import AState, State
from ops.crypto import database_context, env_context
from ops.db.tables import App, AppEnv, Deployment
from ops.errors import Conflict, Forbidden
from ops.names import app_database, app_repository
from ops.settings import Settings, read_secret

router = APIRouter(tags=["secrets"])

DEFAULT_PORT = 3000


class BuildSecrets(BaseModel):
    git_url: str
    git_token: str
    registry_user: str
    registry_password: str
    push_user: str
    push_password: str
    build_env: dict[str, str]


class Environment(BaseModel):
    env: dict[str, str]


@router.get("/deployments/{deployment_id}/build")
async def build_secrets(deployment_id: int, runner: ARunner, state: AState) -> BuildSecrets:
    """To clone, build and push this deployment's app, while the deployment is under way."""
    deployment = await _under_way(state, deployment_id)
    app = await state.app(deployment.app_id)
    settings = state.settings
    repository = app_repository(app.user_id, deployment.app_id)
    return BuildSecrets(
        git_url=f"{settings.gitea_url}/{settings.git_owner}/{repository}.git",
        git_token=read_secret(settings, "gitea-runner-token").get_secret_value(),
        registry_user=build_user(deployment_id),
        registry_password=state.passwords.issue(build_user(deployment_id)),
        push_user=push_user(deployment_id),
        push_password=state.passwords.issue(push_user(deployment_id)),
        build_env=await user_env(state, deployment.app_id, at_build=True),
    )


@router.get("/deployments/{deployment_id}/environment")
async def environment(deployment_id: int, node: ARuntime, state: AState) -> Environment:
    """A container's whole environment, only to the node that the deployment is placed on."""
    deployment = await _under_way(state, deployment_id)
    app = await state.app(deployment.app_id)
    if node.node_id != (deployment.node_id or app.node_id):
        raise Forbidden(f"deployment {deployment_id} is not placed on {node.node_id}")
    if app.database_password is None:
        raise Conflict(
            f"app {deployment.app_id} has no database yet", hint="it is made by the deployment"
        )
    password = state.vault.decrypt(app.database_password, database_context(deployment.app_id))
    settings = state.settings
    return Environment(
        env=await user_env(state, deployment.app_id)
        | {
            "PORT": str(await _port(state, deployment, app)),
            "BASE_PATH": settings.base_path(deployment.app_id),
            "PUBLIC_URL": settings.app_url(deployment.app_id, app.slug),
            "MONGODB_URI": mongodb_uri(settings, deployment.app_id, password),
        }
    )


def mongodb_uri(settings: Settings, app_id: int, password: str) -> str:
    """Connection string of an app's own database, as its containers reach it."""
    name = app_database(app_id)
    return (
        f"mongodb://{name}:{password}@{settings.service_address}:{settings.ports.mongo}/{name}"
        "?authMechanism=PLAIN&authSource=$external"
    )


async def _under_way(state: State, deployment_id: int) -> Deployment:
    deployment = await state.deployment(deployment_id)
    if DeploymentStatus(deployment.status).ended:
        raise Conflict(f"deployment {deployment_id} has ended")
    return deployment


async def _port(state: State, deployment: Deployment, app: App) -> int:
    """A repair starts the live release again; any other deployment has its own release."""
    if deployment.kind == DeploymentKind.REPAIR and app.live_deployment_id is not None:
        deployment = await state.deployment(app.live_deployment_id)
    return deployment.port or DEFAULT_PORT


async def user_env(state: State, app_id: int, *, at_build: bool = False) -> dict[str, str]:
    query = select(AppEnv).where(AppEnv.app_id == app_id)
    if at_build:
        query = query.where(col(AppEnv.at_build))
    async with state.database.session() as session:
        rows = (await session.exec(query)).all()
    return {row.key: state.vault.decrypt(row.value, env_context(app_id, row.key)) for row in rows}
