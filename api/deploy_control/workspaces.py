"""Secrets of a workspace, for the node that the workspace is on."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from api.deploy_control.auth import AWorkspaceNode
from api.deploy_control.secrets import user_env
from api.deploy_control.state import AState
from ops.crypto import workspace_key_context
from ops.db.tables import App, User, Workspace
from ops.errors import Forbidden, NotFound

router = APIRouter(tags=["workspaces"])


class Key(BaseModel):
    private_key: str
    email: str


@router.get("/workspaces/{user_id}/key")
async def key(user_id: int, node: AWorkspaceNode, state: AState) -> Key:
    """To push as the user; OpenSSH's own format, without a passphrase."""
    async with state.database.session() as session:
        row = await session.get(Workspace, user_id)
        user = await session.get(User, user_id)
    if row is None or user is None or row.private_key is None:
        raise NotFound(f"there is no workspace of user {user_id}")
    if row.node_id != node.node_id:
        raise Forbidden(f"the workspace of user {user_id} is not on {node.node_id}")
    private_key = state.vault.decrypt(row.private_key, workspace_key_context(user_id))
    return Key(private_key=private_key, email=user.email)


class RunEnvironment(BaseModel):
    env: dict[str, str]


@router.get("/workspaces/{user_id}/apps/{app_id}/environment")
async def environment(
    user_id: int, app_id: int, node: AWorkspaceNode, state: AState, at_build: bool = False
) -> RunEnvironment:
    """What the app's owner has set for it: all of it, or only what its build is given."""
    async with state.database.session() as session:
        row = await session.get(Workspace, user_id)
        app = await session.get(App, app_id)
    if row is None or app is None or app.user_id != user_id:
        raise NotFound(f"there is no app {app_id} of user {user_id}")
    if row.node_id != node.node_id:
        raise Forbidden(f"the workspace of user {user_id} is not on {node.node_id}")
    return RunEnvironment(env=await user_env(state, app_id, at_build=at_build))
