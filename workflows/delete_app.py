"""Deleting an app: everything of it, each part retried until it is confirmed gone.

Runs as a child of ``deploy-{appId}``, and so under the app's lock. The records go last: while they
are there, an interrupted deletion is found and taken up again by the sweep.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import (
        DELETE_APP_IMAGES,
        DELETE_APP_RECORDS,
        DELETE_REPOSITORY,
        DROP_DATABASE,
        LOAD_APP,
        RECORD_OWED,
        REMOVE_ROUTE,
        RETIRE,
        AppRef,
        AppThings,
        Confirmed,
        DatabaseInput,
        OwedUndo,
        RetireInput,
        RouteRef,
    )
    from workflows import ids
    from workflows.calls import begin, record
    from workflows.messages import DeleteAppInput
    from workflows.policies import CLEAR, UNDO


@workflow.defn(name="DeleteApp")
class DeleteApp:
    @workflow.run
    async def run(self, given: DeleteAppInput) -> Confirmed:
        app = await record(LOAD_APP, AppRef(app_id=given.app_id), "what there is of the app")
        gone: list[str] = []
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
        except ActivityError:
            await record(
                RECORD_OWED,
                OwedUndo(
                    deployment_id=0,
                    app_id=app.app_id,
                    node_id=node_id,
                    what="containers and route of a deleted app",
                ),
                f"{node_id} is away and owes it",
            )
            return []
        return route.gone + containers.gone

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
