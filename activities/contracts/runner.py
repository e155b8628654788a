"""Source and build (queue: the runner that is held)."""

from __future__ import annotations

from enum import StrEnum

from activities.contracts.base import Activity, Confirmed, DeploymentRef, Frozen


class HoldInput(Frozen):
    """Occupies one build slot; tells the workflow which runner by the signal ``runner_held``."""

    deployment_id: int
    hold_id: int


class RunnerHeld(Frozen):
    hold_id: int
    node_id: str


class CloneInput(Frozen):
    """``ref`` is a branch, a tag or a commit. Raises SourceError."""

    deployment_id: int
    app_id: int
    user_id: int
    repository: str
    ref: str
    base_path: str = "/"


class Recipe(StrEnum):
    DOCKERFILE = "dockerfile"
    NODE = "node"
    STATIC = "static"
    PYTHON = "python"


class CloneResult(Frozen):
    """``build_key`` names everything that the image depends on; two equal keys give one image."""

    commit: str
    message: str
    author: str
    recipe: Recipe
    port: int
    health_path: str
    build_args: dict[str, str]
    build_key: str


class BuildInput(Frozen):
    deployment_id: int
    app_id: int
    user_id: int
    repository: str
    source: CloneResult
    base_path: str = "/"


class BuildResult(Frozen):
    """``image_id`` is the image's config digest in the build engine."""

    image_id: str


class PushInput(Frozen):
    deployment_id: int
    app_id: int
    repository: str
    commit: str
    image_id: str


class PushResult(Frozen):
    digest: str


HOLD_RUNNER = Activity("hold_runner", HoldInput, type(None))
CLONE = Activity("clone", CloneInput, CloneResult)
BUILD = Activity("build", BuildInput, BuildResult)
PUSH = Activity("push", PushInput, PushResult)
DISCARD_BUILD = Activity("discard_build", DeploymentRef, Confirmed)
