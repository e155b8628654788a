"""What makes a node match the records: repairs of its apps, and the removal of what is left over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts.base import Activity, Frozen
    from activities.contracts.nodes import ASK_REPAIR, REMOVE_ROUTE, Reconciliation
    from activities.contracts.runner import DISCARD_BUILD
    from activities.contracts.runtime import PRUNE_LOCAL, REMOVE_CONTAINER, RouteRef
    from activities.contracts.workspace import REMOVE_WORKSPACE, WorkspaceRef
    from workflows import ids
    from workflows.calls import begin
    from workflows.policies import ASK_OF_APP, STEPS_AT_ONCE, TIDY, Policy


@dataclass(frozen=True)
class Step:
    """One thing to put right, by one activity."""

    activity: Activity[Any, Any]
    given: Frozen
    policy: Policy
    queue: str
    summary: str

    async def done(self) -> None:
        await begin(self.activity, self.given, self.policy, queue=self.queue, summary=self.summary)


def repairs(todo: Reconciliation) -> list[Step]:
    return [
        Step(
            ASK_REPAIR,
            repair,
            ASK_OF_APP,
            ids.CONTROL_QUEUE,
            f"repair app {repair.app_id}: {repair.why}",
        )
        for repair in todo.repairs
    ]


def removals(todo: Reconciliation, queue: str) -> list[list[Step]]:
    """One kind after the other: nobody is sent to a container that goes, none is in the way of an
    image that goes."""
    routes = [
        Step(
            REMOVE_ROUTE,
            RouteRef(app_id=app_id),
            TIDY,
            queue,
            f"remove the route of app {app_id}",
        )
        for app_id in todo.remove_routes
    ]
    containers = [
        Step(REMOVE_CONTAINER, container, TIDY, queue, f"remove {container.container}")
        for container in todo.remove_containers
    ]
    workspaces = [
        Step(
            REMOVE_WORKSPACE,
            WorkspaceRef(user_id=user_id),
            TIDY,
            queue,
            f"remove {ids.workspace_container(user_id)}: it is of no record",
        )
        for user_id in todo.remove_workspaces
    ]
    images = [
        Step(PRUNE_LOCAL, images, TIDY, queue, f"remove images of {images.repository}")
        for images in todo.remove_images
    ]
    checkouts = [
        Step(
            DISCARD_BUILD,
            checkout,
            TIDY,
            queue,
            f"remove the checkout of deployment {checkout.deployment_id}",
        )
        for checkout in todo.remove_checkouts
    ]
    return [routes, containers, [*workspaces, *images, *checkouts]]


async def each(steps: Sequence[Step]) -> bool:
    """Side by side, each to its own end; whether all were done."""
    room = asyncio.Semaphore(STEPS_AT_ONCE)

    async def done(step: Step) -> bool:
        async with room:
            try:
                await step.done()
            except ActivityError as error:
                workflow.logger.warning("not now: %s (%s)", step.summary, error.cause)
                return False
        return True

    return all(await asyncio.gather(*(done(step) for step in steps)))
