"""Deleting an app: everything of it, each part retried until it is confirmed gone.

Runs as a child of ``deploy-{appId}``, and so under the app's lock. The records go last: while they
are there, an interrupted deletion is found and taken up again by the sweep.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts.apps import (
        DELETE_APP_IMAGES,
        DELETE_APP_RECORDS,
        DELETE_REPOSITORY,
        LOAD_APP,
        AppRef,
        AppThings,
    )
    from activities.contracts.base import Confirmed
    from activities.contracts.imports import STOP_IMPORT, ImportRef
    from activities.contracts.nodes import REMOVE_ROUTE
    from activities.contracts.records import RECORD_OWED, OwedUndo
    from activities.contracts.runtime import (
        PRUNE_LOCAL,
        RETIRE,
        PruneLocalInput,
        RetireInput,
        RouteRef,
    )
    from activities.contracts.servers import DROP_DATABASE, DatabaseInput
    from activities.contracts.workspace import LEAVE_WORKSPACE, OWE_CHECKOUT, CheckoutRef
    from workflows import ids
    from workflows.calls import begin, record
    from workflows.messages import DeleteAppInput
    from workflows.policies import AWAITED, CLEAR, LEAVE, UNDO


@workflow.defn(name="DeleteApp")
class DeleteApp:
    @workflow.run
    async def run(self, given: DeleteAppInput) -> Confirmed:
        app = await record(LOAD_APP, AppRef(app_id=given.app_id), "what there is of the app")
        gone: list[str] = []
        # A deletion that an older release began goes on as it began.
        if workflow.patched("import-ends-first"):
            gone += await self._stop_import(app)
        gone += await self._leave_workspace(app)
        for node_id in app.nodes:
            gone += await self._leave_node(app, node_id)
        gone += await self._delete_shared(app)
        gone += (
            await begin(
                DELETE_APP_RECORDS,
                app,
                CLEAR,
                queue=ids.CONTROL_QUEUE,
                summary=f"records of app {app.app_id}",
            )
        ).gone
        workflow.set_current_details("\n".join(f"- {thing}" for thing in gone))
        return Confirmed(gone=gone)

    async def _stop_import(self, app: AppThings) -> list[str]:
        """First: what it pushes would else come to a repository that is gone."""
        stopped = await begin(
            STOP_IMPORT,
            ImportRef(app_id=app.app_id, user_id=app.user_id),
            AWAITED,
            queue=ids.CONTROL_QUEUE,
            summary="its import, where one runs",
        )
        return stopped.gone

    async def _leave_workspace(self, app: AppThings) -> list[str]:
        """Its owner's folder of it, and what runs there; where that cannot be now, it is owed."""
        ref = CheckoutRef(user_id=app.user_id, app_id=app.app_id)
        owed = await record(OWE_CHECKOUT, ref, "its folder in the workspace is to go")
        if not owed.ask:
            return []
        try:
            left = await begin(
                LEAVE_WORKSPACE, ref, LEAVE, queue=ids.CONTROL_QUEUE, summary="folder and dev run"
            )
        except ActivityError:
            workflow.logger.warning("the folder in the workspace is owed")
            return []
        return left.gone

    async def _leave_node(self, app: AppThings, node_id: str) -> list[str]:
        """Route first, so that nobody is sent to a container that goes. A node that is gone owes it."""
        queue = ids.node_queue(node_id)
        try:
            route = await begin(
                REMOVE_ROUTE, RouteRef(app_id=app.app_id), UNDO, queue=queue, summary="route"
            )
            containers = await begin(
                RETIRE,
                RetireInput(app_id=app.app_id, keep=None),
                UNDO,
                queue=queue,
                summary="containers",
            )
            images = await begin(
                PRUNE_LOCAL,
                PruneLocalInput(app_id=app.app_id, repository=app.repository, keep=[]),
                UNDO,
                queue=queue,
                summary="images",
            )
        except ActivityError:
            await record(
                RECORD_OWED,
                OwedUndo(
                    deployment_id=0,
                    app_id=app.app_id,
                    node_id=node_id,
                    what="what a deleted app had there",
                ),
                f"{node_id} is away and owes it",
            )
            return []
        return route.gone + containers.gone + images.gone

    async def _delete_shared(self, app: AppThings) -> list[str]:
        parts = [
            begin(DELETE_APP_IMAGES, app, CLEAR, queue=ids.CONTROL_QUEUE, summary="images"),
            begin(DELETE_REPOSITORY, app, CLEAR, queue=ids.CONTROL_QUEUE, summary="repository"),
            begin(
                DROP_DATABASE,
                DatabaseInput(app_id=app.app_id, database=app.database),
                CLEAR,
                queue=ids.CONTROL_QUEUE,
                summary="database",
            ),
        ]
        gone: list[str] = []
        for part in parts:
            gone += (await part).gone
        return gone
