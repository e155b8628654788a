"""What the API gives to administrators: hosts, what is on them, and everybody's work."""

from __future__ import annotations

from pydantic import Field

from activities.contracts.nodes import Figures, NodeRole, NodeStatus
from activities.contracts.workspace import Run, WorkspaceStatus
from api.entry.fields import Given, Time
from api.entry.schemas_deployments import DeploymentOut
from api.entry.schemas_workspace import TaskState
from ops.db.tables import App, Workspace
from ops.settings import Settings
from workflows import ids

_TEMPORAL = "http://127.0.0.1:8233/namespaces/default/workflows/"


class NodeOut(Given):
    node_id: str = Field(examples=["runtime-102"])
    role: NodeRole = Field(examples=["runtime"])
    status: NodeStatus = Field(description="DRAINING: it runs, and takes nothing new")
    reason: str = Field(examples=[""])
    reason_code: str | None = Field(
        examples=[None], description="For a translation of ``reason``: what DownReason calls it"
    )
    draining: bool
    figures: Figures | None
    live: bool = Field(description="Whether the figures are of this moment; else the last known")
    placed: int = Field(examples=[3], description="Apps (or workspaces) that it was given")
    changed_at: Time | None
    temporal_url: str = Field(examples=[f"{_TEMPORAL}node-runtime-102"])


class PlacedApp(Given):
    id: int = Field(examples=[7])
    name: str = Field(examples=["My shop"])
    slug: str = Field(examples=["my-shop"])
    user_id: int = Field(examples=[1])
    email: str = Field(examples=["ada@example.org"])
    live_deployment: int | None = Field(examples=[31])
    stopped: bool

    @classmethod
    def of(cls, row: App, email: str) -> PlacedApp:
        assert row.id is not None
        return cls(
            id=row.id,
            name=row.name,
            slug=row.slug,
            user_id=row.user_id,
            email=email,
            live_deployment=row.live_deployment_id,
            stopped=row.stopped,
        )


class AdminWorkspace(Given):
    user_id: int = Field(examples=[1])
    email: str = Field(examples=["ada@example.org"])
    node: str | None = Field(examples=["workspace-87"])
    status: WorkspaceStatus = Field(examples=["OPEN"])
    app_id: int | None = Field(examples=[7], description="The app that was opened last")
    run: TaskState = Field(examples=["RUNNING"], description="State of the latest run")
    changed_at: Time
    temporal_url: str = Field(examples=[f"{_TEMPORAL}workspace-1"])

    @classmethod
    def of(cls, settings: Settings, row: Workspace, email: str) -> AdminWorkspace:
        return cls(
            user_id=row.user_id,
            email=email,
            node=row.node_id,
            status=WorkspaceStatus(row.status),
            app_id=row.app_id,
            run=TaskState.of(Run.model_validate(row.run)) if row.run else TaskState.IDLE,
            changed_at=row.changed_at,
            temporal_url=settings.workflow_url(ids.workspace_workflow(row.user_id)),
        )


class Placed(Given):
    node_id: str = Field(examples=["runtime-102"])
    apps: list[PlacedApp]
    workspaces: list[AdminWorkspace]


class AdminDeployment(DeploymentOut):
    app_name: str = Field(examples=["My shop"])
    user_id: int = Field(examples=[1])
    email: str = Field(examples=["ada@example.org"])
    temporal_url: str = Field(examples=[f"{_TEMPORAL}deployment-31"])
