"""What the activities of a workspace take and return.

A workspace is one user's: a container ``ws-u-{userId}``, a disk with a quota, a key that pushes to
that user's repositories. It keeps its node and its slot for life; the slot is its address.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from activities.contracts.base import Activity, Confirmed, Frozen
from ops.errors import ErrorReport
from ops.names import DEV_PORT as DEV_PORT


class WorkspaceStatus(StrEnum):
    """STOPPED: the files are kept, no container runs."""

    STOPPED = "STOPPED"
    STARTING = "STARTING"
    OPEN = "OPEN"
    STOPPING = "STOPPING"


class RunTask(StrEnum):
    DEV = "dev"
    START = "start"
    BUILD = "build"
    INSTALL = "install"

    @property
    def serves(self) -> bool:
        """It is meant to listen on a port and go on, instead of ending by itself."""
        return self in (RunTask.DEV, RunTask.START)


class RunState(StrEnum):
    """RUNNING only once the port answers (for a task that serves)."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    STOPPED = "STOPPED"
    """Ended because it was asked to; EXITED is by itself."""

    @property
    def ended(self) -> bool:
        return self in (RunState.EXITED, RunState.STOPPED)


class Run(Frozen):
    """One run of a task. ``run_id`` counts up within the workspace and names its folder.

    ``keeps_prefix``: what serves wants the path that the preview is seen below in each request, as
    Vite does with ``--base``; all others get requests without it. ``report``: why it never started.
    """

    run_id: int
    app_id: int
    task: RunTask
    state: RunState = RunState.STARTING
    exit_code: int | None = None
    started_at: datetime | None = None
    log_tail: list[str] = []
    keeps_prefix: bool = False
    report: ErrorReport | None = None


# --- queue: control --------------------------------------------------------------------------


class PlaceWorkspaceInput(Frozen):
    """``app_id``: the app that is to be opened. ``leaving``: where it is, for its removal; of a user
    who is being deleted nothing else is placed any more."""

    user_id: int
    app_id: int | None = None
    leaving: bool = False


class WorkspaceRecord(Frozen):
    """State that the entry shows; written by the workflow alone. ``run`` is the latest one."""

    user_id: int
    status: WorkspaceStatus = WorkspaceStatus.STOPPED
    app_id: int | None = None
    run: Run | None = None
    run_count: int = 0


class WorkspacePlacement(Frozen):
    """The user's node and slot, sticky; ``slot`` is 0 … ``Settings.workspace_slots`` - 1.

    ``recorded`` is the state that was written last: a workflow that takes the place of one which
    was ended by force goes on from there. ``owed_checkouts``: apps that were deleted while the
    container did not run.
    """

    user_id: int
    node_id: str
    slot: int
    dev_mongo: bool
    key_registered: bool
    base_path: str
    public_url: str
    run_idle_seconds: float
    idle_seconds: float
    recorded: WorkspaceRecord
    owed_checkouts: list[int] = []


class CheckoutRef(Frozen):
    """An app's folder in its owner's workspace."""

    user_id: int
    app_id: int


class OwedCheckout(Frozen):
    """``ask``: the workspace is open, and can be asked for it now."""

    ask: bool


PLACE_WORKSPACE = Activity("place_workspace", PlaceWorkspaceInput, WorkspacePlacement)
"""Makes the user's key too. Raises NodeUnavailable at once when the user's node is down, Conflict
when the user or the app is being deleted, NotFound when it is gone."""
REGISTER_WORKSPACE_KEY = Activity("register_workspace_key", PlaceWorkspaceInput, type(None))
"""Lets the workspace's key push to its user's repositories."""
RECORD_WORKSPACE = Activity("record_workspace", WorkspaceRecord, type(None))
OWE_CHECKOUT = Activity("owe_checkout", CheckoutRef, OwedCheckout)
"""Written before it is asked for: whatever happens then, the next opening removes the folder."""
SETTLE_CHECKOUT = Activity("settle_checkout", CheckoutRef, type(None))
LEAVE_WORKSPACE = Activity("leave_workspace", CheckoutRef, Confirmed)
"""Asks ``workspace-{userId}`` to stop what runs of an app and to remove its folder."""


# --- queue: workspace-87 ---------------------------------------------------------------------


class WorkspaceRef(Frozen):
    user_id: int


class EnsureWorkspaceInput(Frozen):
    user_id: int
    slot: int
    dev_mongo: bool = False


class WorkspaceUp(Frozen):
    container: str
    address: str


class CheckoutInput(Frozen):
    user_id: int
    app_id: int
    repository: str


class CheckoutResult(Frozen):
    """``cloned``: the folder was empty before; then ``commit`` is what was cloned, if there is one."""

    cloned: bool
    commit: str = ""


class SaveWorkInput(Frozen):
    """``app_id``: the app that is open; its work is saved first."""

    user_id: int
    app_id: int | None = None


class Saved(Frozen):
    """Repositories whose work went to ``studio/autosave``, and why others did not."""

    saved: list[str] = []
    failed: list[str] = []


ENSURE_WORKSPACE = Activity("ensure_workspace", EnsureWorkspaceInput, WorkspaceUp)
ENSURE_CHECKOUT = Activity("ensure_checkout", CheckoutInput, CheckoutResult)
REMOVE_CHECKOUT = Activity("remove_checkout", CheckoutRef, Confirmed)
SAVE_WORK = Activity("save_work", SaveWorkInput, Saved)
STOP_WORKSPACE = Activity("stop_workspace", WorkspaceRef, Confirmed)
REMOVE_WORKSPACE = Activity("remove_workspace", WorkspaceRef, Confirmed)


class StartRunInput(Frozen):
    """``base_path`` is where the preview is seen (``/`` or ``/ws/{userId}/``)."""

    user_id: int
    run_id: int
    app_id: int
    task: RunTask
    base_path: str = "/"
    public_url: str = ""


class RunRef(Frozen):
    user_id: int
    run_id: int


class RunReady(RunRef):
    keeps_prefix: bool = False


START_RUN = Activity("start_run", StartRunInput, type(None))
"""Ends any other run of the workspace first. Raises NodeUnavailable when ``max_runs`` run there."""
STOP_RUN = Activity("stop_run", RunRef, Confirmed)


# --- queue: workspace-87-runs ----------------------------------------------------------------


class FollowRunInput(Frozen):
    """``serves``: signal ``run_ready`` (a RunReady) to the workflow once the dev port answers."""

    user_id: int
    run_id: int
    serves: bool


class RunEnded(Frozen):
    """``exit_code`` is None when it was never known (the container went away)."""

    exit_code: int | None
    log_tail: list[str] = []


FOLLOW_RUN = Activity("follow_run", FollowRunInput, RunEnded)
"""Returns when the run has ended. Cancelling it, or its worker, leaves the run alone."""
