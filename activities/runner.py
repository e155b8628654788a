"""HOLD_RUNNER: occupies one of a runner's build slots for as long as a deployment needs it.

The runners share one queue, and Temporal gives the activity to one that has a slot free. One that
drains gives it back. From then on the workflow talks to that runner's own queue; a runner that dies
is seen by its heartbeats.
"""

from __future__ import annotations

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.boundary import heartbeating, reports_errors
from activities.contracts.runner import HOLD_RUNNER, HoldInput, RunnerHeld
from ops.errors import NodeDrains, NodeUnavailable
from ops.metrics import metrics
from ops.nodeclient import NodeClient
from ops.settings import Settings

SIGNAL = "runner_held"
BEAT_SECONDS = 0.3
"""A released slot is free again this soon: a cancellation arrives with a heartbeat."""


class Runner:
    """The build slots of one runner."""

    def __init__(
        self, settings: Settings, node_id: str, client: Client, control: NodeClient
    ) -> None:
        self._settings = settings
        self._node_id = node_id
        self._client = client
        self._control = control
        self.held = 0
        self._tell_slots()

    @activity.defn(name=HOLD_RUNNER.name)
    @reports_errors
    async def hold(self, given: HoldInput) -> None:
        """Ends by cancellation. Raises NodeDrains when this runner takes nothing new, NodeUnavailable
        when its worker shuts down meanwhile."""
        async with heartbeating(BEAT_SECONDS):
            if await self._control.draining():
                raise NodeDrains(f"{self._node_id} drains", hint="another runner takes it")
            self.held += 1
            self._tell_slots()
            try:
                if not await self._tell(given):
                    return
                await activity.wait_for_worker_shutdown()
            finally:
                self.held -= 1
                self._tell_slots()
        raise NodeUnavailable(f"{self._node_id} is shutting down", hint="another runner takes over")

    def _tell_slots(self) -> None:
        metrics().build_slots(self._node_id, slots=self._settings.build_slots, busy=self.held)

    async def _tell(self, given: HoldInput) -> bool:
        """False when the workflow has ended meanwhile: nobody needs the slot."""
        info = activity.info()
        assert info.workflow_id is not None
        workflow = self._client.get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)
        try:
            await workflow.signal(SIGNAL, RunnerHeld(hold_id=given.hold_id, node_id=self._node_id))
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True
