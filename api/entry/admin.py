"""For administrators: everybody's deployments and workspaces, with links into Temporal's own pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel import col, select

from activities.contracts.base import DeploymentStatus
from activities.contracts.workspace import WorkspaceStatus
from api.entry.deployments import Before, Limit, described
from api.entry.deps import Admin, Use
from api.entry.problems import errors
from api.entry.schemas_admin import AdminDeployment, AdminWorkspace
from ops.db.tables import App, Deployment, User, Workspace
from workflows import ids

router = APIRouter(prefix="/api/admin", tags=["administrators"])


@router.get("/deployments", responses=errors(401, 403, 422, 503))
async def list_all_deployments(
    _: Admin,
    use: Use,
    status: Annotated[
        list[DeploymentStatus] | None, Query(description="RUNNING and PENDING: what is under way")
    ] = None,
    limit: Limit = 50,
    before: Before = None,
) -> list[AdminDeployment]:
    """Everybody's deployments, the newest first."""
    query = select(App, Deployment, User.email).where(
        Deployment.app_id == App.id, App.user_id == User.id
    )
    if status:
        query = query.where(col(Deployment.status).in_(status))
    if before is not None:
        query = query.where(col(Deployment.id) < before)
    async with use.database.session() as session:
        rows = (await session.exec(query.order_by(col(Deployment.id).desc()).limit(limit))).all()
    shown = await described(use, [(app, row) for app, row, _ in rows])
    return [
        AdminDeployment(
            **dict(out),
            app_name=app.name,
            user_id=app.user_id,
            email=email,
            temporal_url=use.settings.workflow_url(ids.deployment_workflow(out.id)),
        )
        for out, (app, _, email) in zip(shown, rows, strict=True)
    ]


@router.get("/workspaces", responses=errors(401, 403, 422, 503))
async def list_all_workspaces(
    _: Admin,
    use: Use,
    status: Annotated[list[WorkspaceStatus] | None, Query()] = None,
    limit: Limit = 50,
    before: Annotated[int | None, Query(ge=1, description="Of users before this one")] = None,
) -> list[AdminWorkspace]:
    """Everybody's workspaces, those of the newest users first."""
    query = select(Workspace, User.email).where(Workspace.user_id == User.id)
    if status:
        query = query.where(col(Workspace.status).in_(status))
    if before is not None:
        query = query.where(col(Workspace.user_id) < before)
    async with use.database.session() as session:
        found = await session.exec(query.order_by(col(Workspace.user_id).desc()).limit(limit))
        return [AdminWorkspace.of(use.settings, row, email) for row, email in found]
