"""What the API takes and gives of workspaces."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from activities.contracts.nodes import NodeStatus
from activities.contracts.workspace import Run, RunState, RunTask, WorkspaceStatus
from api.entry.fields import Given, Taken, Time
from ops.db.tables import NodeRow, ShareLink, Workspace
from ops.errors import ErrorReport
from ops.settings import Settings

Id = Field(ge=1, le=2**53, examples=[7])


class OpenApp(Taken):
    app_id: int = Id


class NewRun(Taken):
    app_id: int = Id
    task: RunTask = RunTask.DEV


class WorkspacePatch(Taken):
    dev_mongo: bool = Field(
        description="A MongoDB of its own on 127.0.0.1:27017 in the container, from its next opening"
    )


class WorkspaceState(StrEnum):
    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    NODE_DOWN = "NODE_DOWN"

    @classmethod
    def of(cls, status: WorkspaceStatus, node: NodeRow | None) -> WorkspaceState:
        if status is WorkspaceStatus.STOPPED:
            return cls.STOPPED
        if node is not None and node.status == NodeStatus.DOWN:
            return cls.NODE_DOWN
        return cls.RUNNING if status is WorkspaceStatus.OPEN else cls(status)


class TaskState(StrEnum):
    """DEAD: a server ended by itself. FAILED, SUCCEEDED: how a task that is to end has ended."""

    IDLE = "IDLE"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    DEAD = "DEAD"
    STOPPED = "STOPPED"

    @classmethod
    def of(cls, run: Run) -> TaskState:
        if run.state is not RunState.EXITED:
            return cls(run.state)
        if run.task.serves:
            return cls.DEAD
        return cls.SUCCEEDED if run.exit_code == 0 else cls.FAILED


class RunOut(Given):
    """The latest run; IDLE without one."""

    state: TaskState = Field(examples=["DEAD"])
    run_id: int | None = Field(default=None, examples=[3])
    app_id: int | None = Field(default=None, examples=[7])
    task: RunTask | None = Field(default=None, examples=["dev"])
    exit_code: int | None = Field(default=None, examples=[1])
    started_at: Time | None = None
    log_tail: list[str] = Field(default=[], examples=[["Error: Cannot find module 'express'"]])
    report: ErrorReport | None = Field(
        default=None, examples=[None], description="Why it never started; then it has no log"
    )

    @classmethod
    def of(cls, run: Run | None) -> RunOut:
        if run is None:
            return cls(state=TaskState.IDLE)
        return cls(
            state=TaskState.of(run),
            run_id=run.run_id,
            app_id=run.app_id,
            task=run.task,
            exit_code=run.exit_code,
            started_at=run.started_at,
            log_tail=run.log_tail,
            report=run.report,
        )


class WorkspaceOut(Given):
    status: WorkspaceState = Field(examples=["RUNNING"])
    app_id: int | None = Field(examples=[7], description="The app that was opened last")
    node: str | None = Field(examples=["workspace-87"])
    preview_url: str = Field(examples=["http://u1.ws.localhost:8000/"])
    dev_mongo: bool
    run: RunOut

    @classmethod
    def of(
        cls, settings: Settings, user_id: int, row: Workspace | None, node: NodeRow | None
    ) -> WorkspaceOut:
        row = row or Workspace(user_id=user_id)
        return cls(
            status=WorkspaceState.of(WorkspaceStatus(row.status), node),
            app_id=row.app_id,
            node=row.node_id,
            preview_url=settings.preview_url(user_id),
            dev_mongo=row.dev_mongo,
            run=RunOut.of(Run.model_validate(row.run) if row.run else None),
        )


class NewShareLink(Taken):
    app_id: int = Id
    expires_in: int = Field(
        default=24 * 3600, ge=60, le=30 * 24 * 3600, description="Seconds", examples=[3600]
    )


class ShareLinkOut(Given):
    id: int = Field(examples=[3])
    app_id: int = Field(examples=[7])
    created_at: Time
    expires_at: Time

    @classmethod
    def of(cls, row: ShareLink) -> ShareLinkOut:
        assert row.id is not None
        return cls(
            id=row.id, app_id=row.app_id, created_at=row.created_at, expires_at=row.expires_at
        )


class NewShareLinkOut(ShareLinkOut):
    url: str = Field(
        examples=["http://u1.ws.localhost:8000/.studio/share?token=q83v…"],
        description="For whoever is to see the preview; it is told this once",
    )


class CodeOut(Given):
    url: str = Field(
        examples=["http://code-u1.ws.localhost:8000/.studio/enter?ticket=q83v…"],
        description="Opens VS Code in a browser; good once, for a minute",
    )


class PreviewTicket(Given):
    url: str = Field(
        examples=["http://u1.ws.localhost:8000/.studio/enter?ticket=q83v…"],
        description="Opens the preview in a browser; good once, for a minute",
    )
