"""What goes into and out of the workflows: one frozen model in, one out, for each."""

from __future__ import annotations

from enum import StrEnum

from activities.contracts import (
    Confirmed,
    DeploymentStatus,
    Frozen,
    NodeInfo,
    NodeStatus,
    RunnerHeld,
)

__all__ = ["Confirmed", "NodeInfo", "RunnerHeld"]


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
    """Signal ``cancel`` of ``deploy-{appId}`` and of ``deployment-{deploymentId}``."""

    deployment_id: int
    by: str = "user"


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


class DeleteAppInput(Frozen):
    """Update ``delete`` of ``deploy-{appId}``: cancel what runs, let nothing start, then delete.

    Also the input of its child ``delete-app-{appId}``, which runs under the app's lock.
    """

    app_id: int
    user_id: int


class DeleteAccepted(Frozen):
    app_id: int


DeployState.model_rebuild()
