"""Timeouts and retries by name, and the search attributes. No number stands inline elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
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

MAX_HEARTBEAT_THROTTLE = timedelta(seconds=1)
HOLD_THROTTLE = timedelta(milliseconds=300)
"""A slot is free again this soon after it was released."""

GRACEFUL_SHUTDOWN = timedelta(seconds=3)

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

HOLD = Policy(
    timedelta(hours=2), schedule_to_start=timedelta(minutes=30), heartbeat=HEARTBEAT, retry=_ONCE
)
"""Occupies a runner's slot; ends by cancel, or by timeout when the runner is gone."""

ON_RUNNER = Policy(
    timedelta(minutes=20), schedule_to_close=timedelta(minutes=40), heartbeat=HEARTBEAT
)
"""Clone, build and push on the runner that is held."""

ON_RUNTIME = Policy(
    timedelta(seconds=60), schedule_to_close=timedelta(minutes=4), heartbeat=HEARTBEAT
)
"""Containers, health and routes on the app's node."""

WATCHED = Policy(
    timedelta(minutes=15), schedule_to_close=timedelta(minutes=20), heartbeat=HEARTBEAT
)
"""Waits for a container as long as the app's own health setting lets it."""

UNDO = Policy(timedelta(seconds=20), schedule_to_close=timedelta(seconds=60), heartbeat=HEARTBEAT)
"""An undo on a host that is gone gives up after 60 s and is owed to that node."""

CLEAR = Policy(timedelta(seconds=30), heartbeat=HEARTBEAT)
"""Parts of a deletion: retried until confirmed."""

PROBE_NODE = Policy(
    timedelta(seconds=3),
    schedule_to_close=timedelta(seconds=8),
    schedule_to_start=timedelta(seconds=4),
    retry=_ONCE,
)
WATCH_NODE = Policy(timedelta(hours=12), heartbeat=timedelta(seconds=8), retry=_ONCE)

MAX_RUNNER_TRIES = 5

FIRST_REQUEST = timedelta(seconds=10)
PROBE_AGAIN = timedelta(seconds=2)
RECONCILE_AGAIN = timedelta(minutes=5)
LOOK_AGAIN = timedelta(seconds=5)
