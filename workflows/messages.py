"""What goes into and out of the workflows: one frozen model in, one out, for each."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from activities.contracts.base import Confirmed, DeploymentStatus, Frozen
from activities.contracts.nodes import NodeInfo, NodeStatus
from activities.contracts.runner import RunnerHeld
from activities.contracts.workspace import (
    Run,
    RunRef,
    RunTask,
    WorkspacePlacement,
    WorkspaceRecord,
    WorkspaceRef,
    WorkspaceStatus,
)
from ops.errors import ErrorReport

__all__ = ["Confirmed", "NodeInfo", "RunRef", "RunnerHeld", "WorkspaceRef"]


class OnBusy(StrEnum):
    """What a request does when the app is busy. REPAIR requests always use QUEUE."""

    REJECT = "reject"
    QUEUE = "queue"
    SUPERSEDE = "supersede"


class DeployState(Frozen):
    """Input of ``deploy-{appId}``, and what it takes along when it continues as new."""

    app_id: int
    waiting: list[DeployRequest] = []
    delete: DeleteAppInput | None = None


class DeployRequest(Frozen):
    """Update ``submit`` of ``deploy-{appId}``: run this deployment (its row is already written).

    A ``repair`` waits its turn and is never displaced by a newer request. ``traceparent`` names the
    trace that the deployment belongs to.
    """

    deployment_id: int
    app_id: int
    user_id: int
    on_busy: OnBusy = OnBusy.REJECT
    repair: bool = False
    traceparent: str | None = None


class DeployAccepted(Frozen):
    deployment_id: int
    waiting: bool


class CancelRequest(Frozen):
    """Signal ``cancel`` of ``deploy-{appId}`` and of ``deployment-{deploymentId}``.

    ``why`` is told to the person where the platform asks for it, and nobody did by hand.
    """

    deployment_id: int
    by: str = "user"
    why: ErrorReport | None = None


class DeployQueue(Frozen):
    """Query ``queue`` of ``deploy-{appId}``."""

    running: int | None
    waiting: list[int]


class DeploymentInput(Frozen):
    deployment_id: int
    app_id: int
    user_id: int
    traceparent: str | None = None


class DeploymentResult(Frozen):
    """How a deployment ended; ``removed`` lists what was confirmed gone."""

    deployment_id: int
    status: DeploymentStatus
    removed: list[str] = []


class NodeState(Frozen):
    """Input of ``node-{nodeId}``: the boot that said hello last."""

    info: NodeInfo
    status: NodeStatus = NodeStatus.DOWN
    draining: bool = False


class DrainOrder(Frozen):
    """Signal ``drain`` of ``node-{nodeId}``: an administrator's order, which is recorded already."""

    draining: bool


class DeleteAppInput(Frozen):
    """Update ``delete`` of ``deploy-{appId}``: cancel what runs, let nothing start, then delete.

    Also the input of its child ``delete-app-{appId}``, which runs under the app's lock.
    """

    app_id: int
    user_id: int


class DeleteAccepted(Frozen):
    app_id: int


class WorkspaceState(Frozen):
    """Input of ``workspace-{userId}``, and what it takes along when it continues as new."""

    user_id: int
    placement: WorkspacePlacement | None = None
    record: WorkspaceRecord | None = None
    touched_at: datetime | None = None


class OpenRequest(Frozen):
    """Update ``open`` of ``workspace-{userId}``: what runs of another app is stopped."""

    app_id: int


class RunRequest(Frozen):
    """Update ``run`` of ``workspace-{userId}``: opens the app first, where it is not open."""

    app_id: int
    task: RunTask


class WorkspaceView(Frozen):
    """What every update of ``workspace-{userId}`` answers, and its query ``view``."""

    status: WorkspaceStatus
    app_id: int | None
    node_id: str | None
    run: Run | None


DeployState.model_rebuild()
