"""Placement and the records of deployments (queue: control)."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from activities.contracts.base import (
    Activity,
    DeploymentKind,
    DeploymentRef,
    DeploymentStatus,
    Frozen,
    Release,
    Stage,
    StageStatus,
)
from ops.errors import ErrorReport


class Plan(Frozen):
    """What a deployment is to do, read once from the records at its start.

    ``release`` is set where nothing has to be built. ``live_deployment_id`` is the release that
    serves now. For a REPAIR ``release_id`` is the live deployment's id, else the deployment's own;
    it names the container and marks the answers (``X-Studio-Release``). ``host`` is the name under
    which people reach the app.
    """

    deployment_id: int
    release_id: int
    app_id: int
    user_id: int
    slug: str
    kind: DeploymentKind
    ref: str = "main"
    repository: str
    container: str
    database: str
    release: Release | None = None
    live_deployment_id: int | None = None
    node_id: str | None = None
    host: str
    base_path: str = "/"
    soak_seconds: float = 2.5
    health_seconds: float = 60.0
    keep_releases: int = 3


class PlaceInput(Frozen):
    """Raises NodeUnavailable when no runtime node can take the app."""

    deployment_id: int
    app_id: int


class Placement(Frozen):
    node_id: str


class StageRecord(Frozen):
    """``report`` says what ``error`` does, with the code that a page needs."""

    name: Stage
    status: StageStatus
    attempt: int = 1
    host: str | None = None
    started_at: datetime
    ended_at: datetime | None = None
    error: str | None = None
    report: ErrorReport | None = None


class Progress(Frozen):
    """A whole snapshot of a deployment; writing it twice, or an older one later, changes nothing.

    ``version`` grows with each snapshot of one deployment; the writer ignores a lower one. A
    ``FORCED`` one ends a deployment whose workflow was terminated, and leaves its stages.
    """

    FORCED: ClassVar[int] = 1_000_000

    deployment_id: int
    version: int
    status: DeploymentStatus
    stages: list[StageRecord]
    commit: str | None = None
    error: ErrorReport | None = None
    removed: list[str] = []
    ended_at: datetime | None = None


class LiveInput(Frozen):
    """The new release answers at its public URL: it is the app's live release from here on.

    ``release`` and ``build_key`` are recorded with the deployment. STOP records no release.
    """

    deployment_id: int
    app_id: int
    release_id: int
    node_id: str
    release: Release
    at: datetime


class UnliveInput(Frozen):
    """Take ``record_live`` back (soak failed), or record that the app is stopped."""

    deployment_id: int
    app_id: int
    previous_deployment_id: int | None
    stopped: bool = False


class PushedInput(Frozen):
    """The image is in the registry: retry and rollback can start from it."""

    deployment_id: int
    app_id: int
    release: Release
    build_key: str | None


class FindBuiltInput(Frozen):
    """Answers only an image that the registry has, as far as it can be asked."""

    app_id: int
    build_key: str


class FoundImage(Frozen):
    release: Release | None = None


class PrunableInput(Frozen):
    """Asks for releases beyond the last ``keep`` successful ones; the records forget their images."""

    app_id: int
    keep: int


class Prunable(Frozen):
    """``digests`` are to go; ``keep`` are those that a record still names."""

    keep: list[str] = []
    digests: list[str]


class OwedUndo(Frozen):
    """An undo whose host was gone; recorded, and done at that node's next reconcile."""

    deployment_id: int
    app_id: int
    node_id: str
    what: str


LOAD_PLAN = Activity("load_plan", DeploymentRef, Plan)
PLACE = Activity("place", PlaceInput, Placement)
RECORD_PROGRESS = Activity("record_progress", Progress, type(None))
RECORD_PUSHED = Activity("record_pushed", PushedInput, type(None))
RECORD_LIVE = Activity("record_live", LiveInput, type(None))
RECORD_UNLIVE = Activity("record_unlive", UnliveInput, type(None))
RECORD_OWED = Activity("record_owed", OwedUndo, type(None))
FIND_BUILT = Activity("find_built", FindBuiltInput, FoundImage)
TAKE_PRUNABLE = Activity("take_prunable", PrunableInput, Prunable)
