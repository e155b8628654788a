"""What all contracts are made of, and what a deployment is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


In = TypeVar("In", bound=Frozen)
Out = TypeVar("Out")


@dataclass(frozen=True)
class Activity(Generic[In, Out]):
    """An activity's name with its input and output model (``type(None)`` where it returns nothing)."""

    name: str
    takes: type[In]
    returns: type[Out]


class Stage(StrEnum):
    """The stages of a deployment in their canonical order."""

    PLACE = "place"
    CLONE = "clone"
    BUILD = "build"
    PUSH = "push"
    DATABASE = "database"
    START = "start"
    HEALTH = "health"
    SWITCH = "switch"
    VERIFY = "verify"
    SOAK = "soak"
    RETIRE = "retire"


STAGE_ORDER: tuple[Stage, ...] = tuple(Stage)


class StageStatus(StrEnum):
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class DeploymentStatus(StrEnum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    ROLLED_BACK = "ROLLED_BACK"

    @property
    def ended(self) -> bool:
        return self not in (DeploymentStatus.PENDING, DeploymentStatus.RUNNING)


class DeploymentKind(StrEnum):
    """What is asked of ``deploy-{appId}``. All but STOP end with a release that answers."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    RETRY = "retry"
    START = "start"
    STOP = "stop"
    REPAIR = "repair"


class Release(Frozen):
    """Something that can be started again: an image by digest and how the app in it is reached."""

    repository: str
    digest: str
    commit: str
    port: int = 3000
    health_path: str = "/"


class DeploymentRef(Frozen):
    deployment_id: int
    app_id: int


class Confirmed(Frozen):
    """What was confirmed gone, in words that a person reads (``container app-1-2``)."""

    gone: list[str]
