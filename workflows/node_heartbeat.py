"""``node-{nodeId}``: is a host up, and does what is on it match the records?

A starting worker says hello (signal-with-start). Then: probe → UP → reconcile → watch, an activity
that heartbeats live figures and comes back when something changes. Its heartbeat timeout means
DOWN: placements avoid the node until it is probed again. A new hello restarts the watch, without a
false DOWN.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import chain

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts.nodes import (
        INVENTORY,
        PROBE,
        RECONCILE,
        RECORD_NODE,
        WATCH,
        DownReason,
        Figures,
        NodeInfo,
        NodeRecord,
        NodeStatus,
        Reconciliation,
        WatchEnd,
    )
    from workflows import ids
    from workflows.calls import begin, record, until_ended
    from workflows.messages import DrainOrder, NodeState
    from workflows.node_steps import each, removals, repairs
    from workflows.policies import (
        CONTROL,
        INVENTORY_NODE,
        LOOK_AGAIN,
        PROBE_AGAIN,
        PROBE_NODE,
        RECONCILE_AGAIN,
        TRY_AGAIN,
        WATCH_NODE,
    )

SHUTDOWN = "shutdown"


@workflow.defn(name="NodeHeartbeat")
class NodeHeartbeat:
    @workflow.init
    def __init__(self, state: NodeState) -> None:
        self._info = state.info
        self._status = state.status
        self._draining = state.draining
        self._ordered = False
        self._hello = True

    @workflow.run
    async def run(self, state: NodeState) -> None:
        while not workflow.info().is_continue_as_new_suggested():
            self._hello = False
            self._ordered = False
            figures = await self._probe()
            if figures is None:
                await self._set(NodeStatus.DOWN, DownReason.NO_ANSWER)
                await self._wait_for_hello()
                continue
            await self._set(NodeStatus.UP, "", figures)
            await self._watch(await self._reconcile())
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(
            NodeState(info=self._info, status=self._status, draining=self._draining)
        )

    @workflow.signal(description="Sent by the node's worker when it starts")
    def hello(self, info: NodeInfo) -> None:
        """A worker of this node has just started."""
        self._info = info
        self._hello = True

    @workflow.signal(
        description="Sent when an administrator lets the node drain, or take work again"
    )
    def drain(self, order: DrainOrder) -> None:
        """The watch comes back, and the node is looked at in its new state."""
        if order.draining != self._draining:
            self._draining = order.draining
            self._ordered = True

    @workflow.query(description="UP, DRAINING or DOWN")
    def status(self) -> NodeStatus:
        if self._draining and self._status is NodeStatus.UP:
            return NodeStatus.DRAINING
        return self._status

    async def _probe(self) -> Figures | None:
        try:
            return await begin(
                PROBE, self._info, PROBE_NODE, queue=self._queue(), summary="are you there?"
            )
        except ActivityError:
            return None

    async def _watch(self, longest: timedelta) -> None:
        """Follow the node until something changes; says DOWN when it went."""
        watch = begin(
            WATCH,
            self._info,
            WATCH_NODE,
            queue=self._queue(),
            summary=f"watch {self._info.node_id}",
        )
        try:
            await workflow.wait_condition(
                lambda: watch.done() or self._hello or self._ordered, timeout=longest
            )
        except TimeoutError:
            workflow.logger.debug("time to reconcile again")
        if not watch.done():
            watch.cancel()
            if not self._hello:
                await until_ended(watch)
            return
        error = watch.exception()
        if error is not None and not self._hello:
            await self._set(NodeStatus.DOWN, DownReason.SILENT)
        elif error is None and watch.result().reason == SHUTDOWN and not self._hello:
            await self._set(NodeStatus.DOWN, DownReason.STOPPED)
            await self._wait_for_hello()
        elif error is None:
            self._log_end(watch.result())

    def _log_end(self, end: WatchEnd) -> None:
        workflow.logger.info("watch of %s ended: %s", self._info.node_id, end.reason)

    async def _wait_for_hello(self) -> None:
        try:
            await workflow.wait_condition(lambda: self._hello, timeout=PROBE_AGAIN)
        except TimeoutError:
            return

    async def _set(self, status: NodeStatus, reason: str, figures: Figures | None = None) -> None:
        self._status = status
        said = f": {reason}" if reason else ""
        workflow.set_current_details(f"**{self.status()}** at {workflow.now():%F %T} UTC{said}")
        await record(
            RECORD_NODE,
            NodeRecord(
                node_id=self._info.node_id,
                role=self._info.role,
                status=status,
                boot_id=self._info.boot_id,
                reason=reason,
                figures=figures,
            ),
            f"{self._info.node_id} is {status}",
        )

    async def _reconcile(self) -> timedelta:
        """Make the node match the records; how soon it has to be looked at again."""
        try:
            seen = await begin(
                INVENTORY,
                self._info,
                INVENTORY_NODE,
                queue=self._queue(),
                summary="what is there?",
            )
            todo = await begin(
                RECONCILE,
                seen,
                CONTROL,
                queue=ids.CONTROL_QUEUE,
                summary="compare with the records",
            )
            done = await self._put_right(todo)
        except ActivityError:
            workflow.logger.warning("%s could not be reconciled now", self._info.node_id)
            return LOOK_AGAIN
        if todo.look_again:
            return LOOK_AGAIN
        return RECONCILE_AGAIN if done else TRY_AGAIN

    async def _put_right(self, todo: Reconciliation) -> bool:
        """Whether all was done. What is missing comes first: nobody waits for a leftover to go."""
        kinds = [repairs(todo), *removals(todo, self._queue())]
        if not any(kinds):
            return True
        # A history that an older release began goes on as it began: the first failure ended it all.
        if not workflow.patched("each-to-its-own-end"):
            for step in chain(*kinds[1:], kinds[0]):
                await step.done()
            return True
        return all([await each(kind) for kind in kinds])

    def _queue(self) -> str:
        return ids.node_queue(self._info.node_id)
