"""What each activity takes and returns, and its name: all that a workflow needs to know of it.

Workflows call activities through these descriptors, so that a process imports only the
implementations that its role runs (the control worker never imports Docker). A unit test holds
every implementation to its descriptor.

Naming: ``container``, ``repository`` and ``database`` are names made in ``workflows/ids.py``; an
implementation adds the platform's own prefix (``Settings.name_prefix``) to container names.
Images are always named ``repository`` + ``digest``; each host adds the registry's address as seen
from there. Nothing secret is in any of these models: they are kept in workflow histories.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from ops.errors import ErrorReport


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


# --- placement, records (queue: control) -----------------------------------------------------


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
    name: Stage
    status: StageStatus
    attempt: int = 1
    host: str | None = None
    started_at: datetime
    ended_at: datetime | None = None
    error: str | None = None


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
    app_id: int
    build_key: str


class FoundImage(Frozen):
    release: Release | None = None


class PrunableInput(Frozen):
    """Asks for releases beyond the last ``keep`` successful ones; the records forget their images."""

    app_id: int
    keep: int


class Prunable(Frozen):
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


# --- source, build (queue: the runner that is held) ------------------------------------------


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


class Confirmed(Frozen):
    """What was confirmed gone, in words that a person reads (``container app-1-2``)."""

    gone: list[str]


HOLD_RUNNER = Activity("hold_runner", HoldInput, type(None))
CLONE = Activity("clone", CloneInput, CloneResult)
BUILD = Activity("build", BuildInput, BuildResult)
PUSH = Activity("push", PushInput, PushResult)
DISCARD_BUILD = Activity("discard_build", DeploymentRef, Confirmed)


# --- database, images, verify (queue: control) -----------------------------------------------


class DatabaseInput(Frozen):
    app_id: int
    database: str


class DeleteImageInput(Frozen):
    """Deleted by digest, and only when no release's record names it."""

    app_id: int
    repository: str
    digest: str


class VerifyInput(Frozen):
    """Asks the public URL until the answer is marked with ``release_id``. Raises Unhealthy."""

    app_id: int
    slug: str
    release_id: int
    health_path: str
    seconds: float


ENSURE_DATABASE = Activity("ensure_database", DatabaseInput, type(None))
DROP_DATABASE = Activity("drop_database", DatabaseInput, Confirmed)
DELETE_IMAGE = Activity("delete_image", DeleteImageInput, Confirmed)
VERIFY = Activity("verify", VerifyInput, type(None))


# --- containers, health, routes (queue: the app's runtime node) ------------------------------


class StartInput(Frozen):
    """Creates and starts the container (pulling the image first); the same name twice is one."""

    deployment_id: int
    release_id: int
    app_id: int
    user_id: int
    container: str
    release: Release
    base_path: str = "/"


class RouteTarget(Frozen):
    release_id: int
    address: str
    port: int


class Started(Frozen):
    """``address`` is the container's own, fixed for its life.

    ``route`` is where the app's route leads while the new container starts beside the old: what an
    undo of the switch puts back.
    """

    address: str
    route: RouteTarget | None


class HealthInput(Frozen):
    """Raises Unhealthy with the container's last log lines. ``host`` is sent as the Host header."""

    container: str
    host: str
    address: str
    port: int
    path: str
    seconds: float


class SwitchInput(Frozen):
    """Makes the app's route lead to ``target``; None takes the route away."""

    app_id: int
    slug: str
    target: RouteTarget | None


class SoakInput(Frozen):
    """Watches a release that has just gone live. When it dies, ``back`` serves again at once."""

    app_id: int
    slug: str
    check: HealthInput
    back: RouteTarget | None


class RouteRef(Frozen):
    app_id: int


class RemoveInput(Frozen):
    """Removes one container by name; already gone is success."""

    app_id: int
    container: str


class RetireInput(Frozen):
    """Removes every container of the app but ``keep``, and lets ``keep`` restart by itself."""

    app_id: int
    keep: str | None


class PruneLocalInput(Frozen):
    """Removes images of the app from the node's engine, but those that a container uses."""

    app_id: int
    repository: str
    remove: list[str]


START_CONTAINER = Activity("start_container", StartInput, Started)
CHECK_HEALTH = Activity("check_health", HealthInput, type(None))
SOAK = Activity("soak", SoakInput, type(None))
SWITCH_ROUTE = Activity("switch_route", SwitchInput, type(None))
REMOVE_CONTAINER = Activity("remove_container", RemoveInput, Confirmed)
RETIRE = Activity("retire", RetireInput, Confirmed)
PRUNE_LOCAL = Activity("prune_local", PruneLocalInput, Confirmed)


# --- deleting an app (control, then its nodes) ------------------------------------------------


class AppRef(Frozen):
    app_id: int


class AppThings(Frozen):
    """Everything that exists of an app, for its deletion."""

    app_id: int
    user_id: int
    slug: str
    repository: str
    database: str
    nodes: list[str]
    runners: list[str]


LOAD_APP = Activity("load_app", AppRef, AppThings)
DELETE_REPOSITORY = Activity("delete_repository", AppThings, Confirmed)
DELETE_APP_IMAGES = Activity("delete_app_images", AppThings, Confirmed)
DELETE_APP_RECORDS = Activity("delete_app_records", AppThings, Confirmed)


# --- nodes -----------------------------------------------------------------------------------


class NodeRole(StrEnum):
    WORKSPACE = "workspace"
    RUNNER = "runner"
    RUNTIME = "runtime"


class NodeStatus(StrEnum):
    UP = "UP"
    DOWN = "DOWN"
    DRAINING = "DRAINING"


class NodeInfo(Frozen):
    node_id: str
    role: NodeRole
    boot_id: str


class Figures(Frozen):
    """Live figures of a node. ``cpu`` and ``memory`` are fractions of the whole; disk in bytes."""

    cpu: float = 0.0
    memory: float = 0.0
    disk_free: int = 0
    disk_total: int = 0
    containers: int = 0
    slots: int = 0
    slots_busy: int = 0


class WatchEnd(Frozen):
    """Why the watch came back: ``shutdown``, ``disk`` or ``changed`` (containers or routes)."""

    reason: str


class NodeRecord(Frozen):
    node_id: str
    role: NodeRole
    status: NodeStatus
    boot_id: str | None = None
    reason: str = ""
    figures: Figures | None = None


class Inventory(Frozen):
    """What is on a node that carries this platform's and this node's label."""

    node_id: str
    containers: list[ContainerSeen] = []
    routes: list[RouteSeen] = []
    checkouts: list[int] = []


class ContainerSeen(Frozen):
    name: str
    app_id: int
    release_id: int
    running: bool
    address: str | None = None


class RouteSeen(Frozen):
    app_id: int
    target: RouteTarget | None


class Repair(Frozen):
    app_id: int
    why: str


class OpenedRepair(DeploymentRef):
    """The deployment that repairs an app, and whose app it is."""

    user_id: int = 0


class Reconciliation(Frozen):
    """What has to be done on a node so that it matches the records.

    ``look_again``: something did not match, and was left to a deployment that is at work on it or
    has just ended. Nothing else may change on the node to draw attention to it later.
    """

    remove_containers: list[RemoveInput] = []
    remove_routes: list[int] = []
    remove_checkouts: list[DeploymentRef] = []
    repairs: list[Repair] = []
    look_again: bool = False


PROBE = Activity("probe", NodeInfo, Figures)
WATCH = Activity("watch", NodeInfo, WatchEnd)
INVENTORY = Activity("inventory", NodeInfo, Inventory)
RECONCILE = Activity("reconcile", Inventory, Reconciliation)
REMOVE_ROUTE = Activity("remove_route", RouteRef, Confirmed)
RECORD_NODE = Activity("record_node", NodeRecord, type(None))
OPEN_REPAIR = Activity("open_repair", Repair, OpenedRepair)
ASK_REPAIR = Activity("ask_repair", Repair, DeploymentRef)
"""Opens a repair's record and asks ``deploy-{appId}`` for it."""

Inventory.model_rebuild()
