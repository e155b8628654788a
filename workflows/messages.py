"""What goes into and out of the workflows: one frozen model in, one out, for each."""

from __future__ import annotations

from enum import StrEnum

from activities.contracts import (
    Confirmed,
    DeploymentStatus,
    Frozen,
    NodeInfo,
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
    closed: bool = False


class DeployRequest(Frozen):
    """Update ``submit`` of ``deploy-{appId}``: run this deployment (its row is already written)."""

    deployment_id: int
    app_id: int
    user_id: int
    on_busy: OnBusy = OnBusy.REJECT


class DeployAccepted(Frozen):
    deployment_id: int
    waiting: bool


class CancelRequest(Frozen):
    """Signal ``cancel`` of ``deploy-{appId}`` and of ``deployment-{deploymentId}``."""

    deployment_id: int
    by: str = "user"


class CloseRequest(Frozen):
    """Update ``close`` of ``deploy-{appId}``: cancel what runs, let nothing start any more.

    It answers when nothing runs: the caller then owns the app.
    """

    app_id: int


class DeployQueue(Frozen):
    """Query ``queue`` of ``deploy-{appId}``."""

    running: int | None
    waiting: list[int]


class DeploymentInput(Frozen):
    deployment_id: int
    app_id: int
    user_id: int


class DeploymentResult(Frozen):
    deployment_id: int
    status: DeploymentStatus
    removed: list[str] = []


class DeleteAppInput(Frozen):
    app_id: int
    user_id: int


DeployState.model_rebuild()
