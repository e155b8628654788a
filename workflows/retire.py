"""The end of a deployment that went well: the old release goes, and images beyond the last few.

The new release is live by now. Nothing here can fail the deployment: what a host that is gone
cannot do is owed to it, and done at its next reconcile.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts.base import Stage, StageStatus
    from activities.contracts.records import TAKE_PRUNABLE, OwedUndo, Plan, PrunableInput
    from activities.contracts.runtime import PRUNE_LOCAL, RETIRE, PruneLocalInput, RetireInput
    from activities.contracts.servers import DELETE_IMAGE, DeleteImageInput
    from ops.error_codes import ErrorCode
    from ops.errors import ErrorReport
    from workflows import ids
    from workflows.calls import begin, record
    from workflows.policies import CONTROL, UNDO
    from workflows.progress import Timeline
    from workflows.saga import Owe


async def retire(
    plan: Plan, keep: str | None, node_id: str, *, timeline: Timeline, owe: Owe
) -> list[str]:
    """Answers what was confirmed gone."""
    timeline.begin(Stage.RETIRE, node_id)
    gone: list[str] = []
    try:
        gone += await _old_containers(plan, keep, node_id)
        gone += await _old_images(plan, node_id)
    except ActivityError:
        await owe(
            OwedUndo(
                deployment_id=plan.deployment_id,
                app_id=plan.app_id,
                node_id=node_id,
                what="old containers and images",
            )
        )
        timeline.end(Stage.RETIRE, StageStatus.FAILED, _owed_to(node_id))
        return gone
    timeline.end(Stage.RETIRE, StageStatus.SUCCEEDED)
    return gone


def _owed_to(node_id: str) -> ErrorReport:
    return ErrorReport(
        stage=Stage.RETIRE.value,
        host=node_id,
        what=f"{node_id} is away: it is owed to it",
        code=ErrorCode.OWED,
        values={"node": node_id},
    )


async def _old_containers(plan: Plan, keep: str | None, node_id: str) -> list[str]:
    confirmed = await begin(
        RETIRE,
        RetireInput(app_id=plan.app_id, keep=keep),
        UNDO,
        queue=ids.node_queue(node_id),
        summary=f"stop the old containers of app {plan.app_id}",
    )
    return confirmed.gone


async def _old_images(plan: Plan, node_id: str) -> list[str]:
    prunable = await record(
        TAKE_PRUNABLE,
        PrunableInput(app_id=plan.app_id, keep=plan.keep_releases),
        f"images beyond the last {plan.keep_releases} releases",
    )
    gone: list[str] = []
    for digest in prunable.digests:
        confirmed = await begin(
            DELETE_IMAGE,
            DeleteImageInput(app_id=plan.app_id, repository=plan.repository, digest=digest),
            CONTROL,
            queue=ids.CONTROL_QUEUE,
            summary=f"delete {plan.repository}@{digest[:19]}",
        )
        gone += confirmed.gone
    if prunable.digests:
        pruned = await begin(
            PRUNE_LOCAL,
            PruneLocalInput(app_id=plan.app_id, repository=plan.repository, keep=prunable.keep),
            UNDO,
            queue=ids.node_queue(node_id),
            summary=f"prune images on {node_id}",
        )
        gone += pruned.gone
    return gone
