"""What a node tells of itself, and what it has to do to match the records."""

from __future__ import annotations

from enum import StrEnum

from activities.contracts.base import Activity, Confirmed, DeploymentRef, Frozen
from activities.contracts.runtime import PruneLocalInput, RemoveInput, RouteRef, RouteTarget


class NodeRole(StrEnum):
    WORKSPACE = "workspace"
    RUNNER = "runner"
    RUNTIME = "runtime"


class NodeStatus(StrEnum):
    UP = "UP"
    DOWN = "DOWN"
    DRAINING = "DRAINING"


class DownReason(StrEnum):
    """Why a node is DOWN, in the words that its record keeps."""

    UNSEEN = "not seen yet"
    NO_ANSWER = "it does not answer"
    SILENT = "it stopped giving signs of life"
    STOPPED = "its worker was stopped"

    @classmethod
    def code(cls, reason: str) -> str | None:
        """What a translation knows a record's words by; None: they are of another version."""
        return next((one.name.lower() for one in cls if one == reason), None)


class NodeInfo(Frozen):
    node_id: str
    role: NodeRole
    boot_id: str


class Figures(Frozen):
    """Live figures of a node. ``cpu`` and ``memory`` are fractions of the whole; disk in bytes.

    ``engine``: what is wrong with a runner's build engine; empty when nothing is.
    """

    cpu: float = 0.0
    memory: float = 0.0
    disk_free: int = 0
    disk_total: int = 0
    containers: int = 0
    slots: int = 0
    slots_busy: int = 0
    engine: str = ""


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
    """What is on a node that carries this platform's and this node's label.

    ``images``: repositories of which its engine has images. ``workspaces``: users of whom it has a
    container, a disk, a mount or an agent.
    """

    node_id: str
    containers: list[ContainerSeen] = []
    routes: list[RouteSeen] = []
    checkouts: list[int] = []
    images: list[str] = []
    workspaces: list[int] = []


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
    remove_images: list[PruneLocalInput] = []
    remove_workspaces: list[int] = []
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
