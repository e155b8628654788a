"""The end of a deployment that went well: the old release goes, and images beyond the last few.

The new release is live by now. Nothing here can fail the deployment: what a host that is gone
cannot do is owed to it, and done at its next reconcile.
"""

from __future__ import annotations

from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts.base import (
        Activity,
        Confirmed,
        DeploymentKind,
        Frozen,
        Stage,
        StageStatus,
    )
    from activities.contracts.records import TAKE_PRUNABLE, OwedUndo, Plan, PrunableInput
    from activities.contracts.runtime import PRUNE_LOCAL, RETIRE, PruneLocalInput, RetireInput
    from activities.contracts.servers import (
        DELETE_IMAGE,
        DELETE_UNNAMED_IMAGES,
        DeleteImageInput,
        UnnamedImagesInput,
    )
    from ops.error_codes import ErrorCode
    from ops.errors import ErrorReport
    from workflows import ids
    from workflows.calls import begin, record
    from workflows.policies import PRUNE, UNDO
    from workflows.progress import Timeline
    from workflows.saga import Owe

In = TypeVar("In", bound=Frozen)


class HostAway(Exception):
    """The app's node does not do its part now: it is owed to it."""


async def retire(
    plan: Plan, keep: str | None, node_id: str, *, timeline: Timeline, owe: Owe
) -> list[str]:
    """Answers what was confirmed gone."""
    timeline.begin(Stage.RETIRE, node_id)
    gone: list[str] = []
    try:
        gone += await _old_containers(plan, keep, node_id)
        gone += await old_images(plan, node_id)
    except HostAway:
        await owe(
            OwedUndo(
                deployment_id=plan.deployment_id,
                app_id=plan.app_id,
                node_id=node_id,
                what="old containers and images",
            )
        )
        timeline.end(Stage.RETIRE, StageStatus.FAILED, owed_to(Stage.RETIRE, node_id))
        return gone
    timeline.end(Stage.RETIRE, StageStatus.SUCCEEDED)
    return gone


def owed_to(stage: Stage, node_id: str) -> ErrorReport:
    return ErrorReport(
        stage=stage.value,
        host=node_id,
        what=f"{node_id} is away: it is owed to it",
        code=ErrorCode.OWED,
        values={"node": node_id},
    )


async def _old_containers(plan: Plan, keep: str | None, node_id: str) -> list[str]:
    return await _on_host(
        RETIRE,
        RetireInput(app_id=plan.app_id, keep=keep),
        node_id,
        f"stop the old containers of app {plan.app_id}",
    )


async def old_images(plan: Plan, node_id: str) -> list[str]:
    """Deletes images that the app needs no more; answers those that were confirmed gone.

    Those that the registry does not delete now are asked for again by the app's next deployment.
    Raises HostAway when the node does not delete its copies.
    """
    gone = await _unnamed_images(plan)
    prunable = await record(
        TAKE_PRUNABLE,
        PrunableInput(app_id=plan.app_id, keep=plan.keep_releases),
        f"images beyond the last {plan.keep_releases} releases",
    )
    if not prunable.digests:
        return gone
    try:
        for digest in prunable.digests:
            confirmed = await begin(
                DELETE_IMAGE,
                DeleteImageInput(app_id=plan.app_id, repository=plan.repository, digest=digest),
                PRUNE,
                queue=ids.CONTROL_QUEUE,
                summary=f"delete {plan.repository}@{digest[:19]}",
            )
            gone += confirmed.gone
    except ActivityError as error:
        workflow.logger.warning("images of app %d stay for now: %s", plan.app_id, error.cause)
    return gone + await _on_host(
        PRUNE_LOCAL,
        PruneLocalInput(app_id=plan.app_id, repository=plan.repository, keep=prunable.keep),
        node_id,
        f"prune images on {node_id}",
    )


async def _unnamed_images(plan: Plan) -> list[str]:
    """Deletes what a push left whose runner was lost, or whose deployment was ended by force.

    Looked for by the next one that builds, and by the repair after such an end.
    """
    builds = plan.release is None and plan.kind is not DeploymentKind.STOP
    if not builds and plan.kind is not DeploymentKind.REPAIR:
        return []
    if not workflow.patched("images-in-no-record"):
        return []
    try:
        confirmed = await begin(
            DELETE_UNNAMED_IMAGES,
            UnnamedImagesInput(app_id=plan.app_id, repository=plan.repository),
            PRUNE,
            queue=ids.CONTROL_QUEUE,
            summary=f"delete what was pushed to {plan.repository} and is in no record",
        )
    except ActivityError as error:
        workflow.logger.warning("images in no record stay for now: %s", error.cause)
        return []
    return confirmed.gone


async def _on_host(
    activity: Activity[In, Confirmed], given: In, node_id: str, summary: str
) -> list[str]:
    """What was confirmed gone. Raises HostAway."""
    try:
        confirmed = await begin(
            activity, given, UNDO, queue=ids.node_queue(node_id), summary=summary
        )
    except ActivityError as error:
        raise HostAway from error
    return confirmed.gone
