"""Undo: registered where a thing is made, done in reverse, confirmed or recorded as owed.

A step that makes something registers its undo *before* it starts, since a step that failed may
have made it all the same; every undo takes "already gone" for success.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts.base import Confirmed
    from activities.contracts.records import OwedUndo

Undo = Callable[[], Awaitable[Confirmed | None]]
Owe = Callable[[OwedUndo], Awaitable[None]]


@dataclass(frozen=True)
class _Step:
    what: str
    node_id: str | None
    undo: Undo


class Saga:
    """The undo steps of one deployment.

    ``owe`` records an undo whose host is gone: that node does it at its next reconcile.
    """

    def __init__(self, deployment_id: int, app_id: int, owe: Owe) -> None:
        self._deployment_id = deployment_id
        self._app_id = app_id
        self._owe = owe
        self._steps: list[_Step] = []
        self.lost_hosts: set[str] = set()
        """Hosts that did not do their part: nothing more is asked of them now."""

    def on_failure(self, what: str, undo: Undo, *, node_id: str | None = None) -> None:
        """Register the undo of ``what``. ``node_id`` is the host that has to do it."""
        self._steps.append(_Step(what, node_id, undo))

    async def undo(self) -> list[str]:
        """Do all, newest first. Answers what was confirmed gone, in words."""
        gone: list[str] = []
        for step in reversed(self._steps):
            if step.node_id is not None and step.node_id in self.lost_hosts:
                await self._record_owed(step)
                continue
            try:
                confirmed = await step.undo()
            except ActivityError:
                workflow.logger.warning("undo could not be confirmed: %s", step.what)
                if step.node_id is not None:
                    self.lost_hosts.add(step.node_id)
                await self._record_owed(step)
                continue
            gone.extend(confirmed.gone if confirmed else [])
        self._steps.clear()
        return gone

    async def _record_owed(self, step: _Step) -> None:
        if step.node_id is None:
            return
        await self._owe(
            OwedUndo(
                deployment_id=self._deployment_id,
                app_id=self._app_id,
                node_id=step.node_id,
                what=step.what,
            )
        )
