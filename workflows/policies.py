"""Timeouts and retries by name, and the search attributes. No number stands inline elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from temporalio.common import RetryPolicy, SearchAttributeKey

APP_ID = SearchAttributeKey.for_int("AppId")
USER_ID = SearchAttributeKey.for_int("UserId")
DEPLOYMENT_ID = SearchAttributeKey.for_int("DeploymentId")
NODE_ID = SearchAttributeKey.for_keyword("NodeId")
STAGE = SearchAttributeKey.for_keyword("Stage")

UPDATE_ANSWER = timedelta(seconds=10)
"""How long an API call waits for a workflow's answer before it says that control is away."""

WORKSPACE_ANSWER = timedelta(seconds=20)
"""How long an API call waits for a workspace before it answers that the work goes on."""

MAX_HEARTBEAT_THROTTLE = timedelta(seconds=1)
HOLD_THROTTLE = timedelta(milliseconds=300)
"""A slot is free again this soon after it was released."""

GRACEFUL_SHUTDOWN = timedelta(seconds=3)

STICKY = timedelta(seconds=2)
"""A workflow whose worker was killed is offered to the next one after this long: Temporal keeps what
comes for it to the worker that has it in its cache, for ten seconds by default."""

HEARTBEAT = timedelta(seconds=5)
"""Without a sign of life for this long, an activity's host counts as gone."""

_PATIENT = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=3),
)
_ONCE = RetryPolicy(maximum_attempts=1)


@dataclass(frozen=True)
class Policy:
    """Options of one kind of activity; ``options`` is what ``execute_activity`` takes."""

    start_to_close: timedelta
    schedule_to_close: timedelta | None = None
    schedule_to_start: timedelta | None = None
    heartbeat: timedelta | None = None
    retry: RetryPolicy = field(default_factory=lambda: _PATIENT)

    @property
    def options(self) -> dict[str, Any]:
        given = {
            "start_to_close_timeout": self.start_to_close,
            "schedule_to_close_timeout": self.schedule_to_close,
            "schedule_to_start_timeout": self.schedule_to_start,
            "heartbeat_timeout": self.heartbeat,
            "retry_policy": self.retry,
        }
        return {name: value for name, value in given.items() if value is not None}


RECORD = Policy(timedelta(seconds=10))
"""Writes to the records: retried until the database is back."""

CONTROL = Policy(timedelta(seconds=20), schedule_to_close=timedelta(minutes=5))
"""Short calls that control makes to its servers (database, registry, Git)."""

PLACEMENT = Policy(timedelta(seconds=10), schedule_to_close=timedelta(seconds=60))
"""A node that is away for a moment is waited for; then the person is told."""

_GIVEN_BACK = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=1.5,
    maximum_interval=timedelta(seconds=5),
    maximum_attempts=360,
    non_retryable_error_types=[
        "NodeUnavailable",
        "TemporalTimeout:Heartbeat",
        "TemporalTimeout:StartToClose",
    ],
)
"""A runner that drains gives it back, for half an hour. What is lost with its runner has to fail:
its workflow begins another, and starts again from clone."""

HOLD = Policy(
    timedelta(hours=2),
    schedule_to_start=timedelta(minutes=30),
    heartbeat=HEARTBEAT,
    retry=_GIVEN_BACK,
)
"""Occupies a runner's slot; ends by cancel, or by timeout when the runner is gone."""

ON_RUNNER = Policy(
    timedelta(minutes=20), schedule_to_close=timedelta(minutes=40), heartbeat=HEARTBEAT
)
"""Clone, build and push on the runner that is held."""

RESTART = timedelta(minutes=4)
"""A host that is gone is waited for this long: it may be restarting."""

ON_RUNTIME = Policy(timedelta(seconds=60), schedule_to_close=RESTART, heartbeat=HEARTBEAT)
"""Containers, health and routes on the app's node."""

STOP = Policy(
    timedelta(seconds=20),
    schedule_to_close=timedelta(seconds=30),
    schedule_to_start=timedelta(seconds=10),
    heartbeat=HEARTBEAT,
)
"""Needs no host: one that does not do it now does it when it is back."""

PULLED = Policy(
    timedelta(minutes=10),
    schedule_to_close=timedelta(minutes=15),
    schedule_to_start=RESTART,
    heartbeat=HEARTBEAT,
    retry=replace(_PATIENT, maximum_attempts=80),
)
"""Brings an image of any size that is possible, but does not wait for its host. What fails at once
is tried for as long as a host is waited for."""

WATCHED = Policy(
    timedelta(minutes=15),
    schedule_to_close=timedelta(minutes=20),
    schedule_to_start=RESTART,
    heartbeat=HEARTBEAT,
)
"""Waits for a container as long as the app's own health setting lets it, but not for its host."""

UNDO = Policy(timedelta(seconds=20), schedule_to_close=timedelta(seconds=60), heartbeat=HEARTBEAT)
"""An undo on a host that is gone gives up after 60 s and is owed to that node."""

PRUNE = Policy(timedelta(seconds=20), schedule_to_close=timedelta(seconds=60))
"""Images that nobody needs: given up soon, since their app's lock is held meanwhile, and asked for
again by the next deployment."""

BACK_SECONDS = 3.0
BACK = Policy(timedelta(seconds=10), schedule_to_close=timedelta(seconds=15))
"""How long an undo waits until requests come to the release before again."""

CLEAR = Policy(timedelta(seconds=30), heartbeat=HEARTBEAT)
"""Parts of a deletion: retried until confirmed."""

AWAITED = Policy(
    timedelta(minutes=1),
    heartbeat=HEARTBEAT,
    retry=replace(_PATIENT, maximum_interval=timedelta(seconds=15)),
)
"""Parts of a deletion that are workflows themselves, or wait for a host to come back. It is between
the attempts that they are waited for: one that waited would hold a slot that those workflows need."""

PROBE_NODE = Policy(
    timedelta(seconds=3),
    schedule_to_close=timedelta(seconds=8),
    schedule_to_start=timedelta(seconds=4),
    retry=_ONCE,
)
INVENTORY_NODE = Policy(
    timedelta(seconds=10),
    schedule_to_close=timedelta(seconds=12),
    schedule_to_start=timedelta(seconds=6),
    heartbeat=HEARTBEAT,
    retry=_ONCE,
)
"""A host that dies while it is asked what it has is not taken for UP until that is given up."""

WATCH_NODE = Policy(
    timedelta(hours=12),
    schedule_to_start=timedelta(seconds=8),
    heartbeat=timedelta(seconds=8),
    retry=_ONCE,
)
"""One that dies before it takes the watch up gives no sign of life either."""

_TELLS_AT_ONCE = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=3),
    non_retryable_error_types=["NodeUnavailable"],
)
_TAKEN_UP = timedelta(seconds=10)
"""Longer than a node's worker takes to restart: nobody takes up the work, so the node is away."""

_A_FEW_TIMES = replace(_PATIENT, maximum_attempts=3)

ASK_OF_APP = Policy(
    timedelta(seconds=20), schedule_to_close=timedelta(seconds=60), retry=_A_FEW_TIMES
)
"""A repair that a node's app needs. Its node is not watched meanwhile: it is soon asked for again."""

TIDY = Policy(
    timedelta(seconds=20),
    schedule_to_close=timedelta(seconds=60),
    schedule_to_start=_TAKEN_UP,
    heartbeat=HEARTBEAT,
    retry=_A_FEW_TIMES,
)
"""Removes what should not be on a node. What fails, or finds nobody there, is seen again soon."""

PLACE_OR_REFUSE = Policy(
    timedelta(seconds=10), schedule_to_close=timedelta(seconds=20), retry=_TELLS_AT_ONCE
)
"""Somebody waits for the answer: that a node is down is said at once."""

ON_WORKSPACE = Policy(
    timedelta(seconds=60),
    schedule_to_close=timedelta(seconds=90),
    schedule_to_start=_TAKEN_UP,
    heartbeat=HEARTBEAT,
)
"""Containers and runs on the workspace's node."""

RUN_OR_REFUSE = Policy(
    timedelta(seconds=60),
    schedule_to_close=timedelta(seconds=90),
    schedule_to_start=_TAKEN_UP,
    heartbeat=HEARTBEAT,
    retry=_TELLS_AT_ONCE,
)
"""Starting a run: that too many run there is said at once."""

CHECKOUT = Policy(
    timedelta(minutes=5),
    schedule_to_close=timedelta(minutes=6),
    schedule_to_start=_TAKEN_UP,
    heartbeat=HEARTBEAT,
    retry=replace(_PATIENT, maximum_attempts=5),
)
"""A first clone brings the whole repository."""

IMPORT = Policy(
    timedelta(minutes=6),
    schedule_to_close=timedelta(minutes=15),
    schedule_to_start=_TAKEN_UP,
    heartbeat=HEARTBEAT,
    retry=replace(_PATIENT, maximum_attempts=3),
)
"""It limits itself, and may wait for others'."""

SAVE = Policy(
    timedelta(seconds=60),
    schedule_to_close=timedelta(minutes=2),
    schedule_to_start=_TAKEN_UP,
    heartbeat=HEARTBEAT,
    retry=RetryPolicy(maximum_attempts=2),
)
"""Work that cannot be saved stays on the workspace's disk: it keeps nothing from being stopped."""

FOLLOW = Policy(timedelta(hours=24), heartbeat=HEARTBEAT)
"""For as long as a run lasts, over any number of restarts of its node's worker."""

LEAVE = Policy(
    timedelta(seconds=25),
    schedule_to_close=timedelta(seconds=60),
    heartbeat=HEARTBEAT,
    retry=_TELLS_AT_ONCE,
)
"""What an app has in its owner's workspace; where that is away, it is owed."""

MAX_RUNNER_TRIES = 5

FIRST_REQUEST = timedelta(seconds=10)
PROBE_AGAIN = timedelta(seconds=2)
RECONCILE_AGAIN = timedelta(minutes=5)
LOOK_AGAIN = timedelta(seconds=5)
TRY_AGAIN = timedelta(minutes=1)
"""What on a node could not be put right is tried again; it is watched meanwhile."""

STEPS_AT_ONCE = 8
"""So many things on a node are put right side by side: one that takes long holds up few others."""

RUN_ENDS = timedelta(seconds=5)
"""A run that was stopped has told its last lines within this."""

IDLE_AGAIN = timedelta(minutes=1)
"""What idles and could not be stopped is tried again."""
