"""The sweep: records and workflows never disagree for long.

A row is written before its workflow is asked for. Whatever happened in between (the API was killed,
Temporal was away, an operator terminated the workflow) is found here and put right: started,
or ended with an error that says so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import structlog
from sqlmodel import col, or_, select
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.contracts.base import DeploymentKind, DeploymentStatus
from activities.contracts.nodes import NodeStatus, Repair
from activities.contracts.records import Progress
from activities.contracts.workspace import WorkspaceStatus
from activities.records import Records
from activities.rows import UNDER_WAY
from ops.db.session import Database
from ops.db.tables import AccountDeletion, App, Deployment, NodeRow, OwedCheckoutRow, Workspace, now
from ops.error_codes import ErrorCode
from ops.errors import ErrorReport
from ops.settings import Settings
from workers.imports import take_up_imports
from workflows import commands, ids, workspace_commands
from workflows.failures import displaced_by
from workflows.messages import DeleteAppInput, DeployRequest, OnBusy

GRACE = timedelta(seconds=5)
"""A row this young is still being asked for by whoever wrote it."""

OWED_GRACE = timedelta(minutes=2)
"""A folder that is owed for less is being asked for by its app's deletion."""

RPC_TIMEOUT = timedelta(seconds=5)

One = TypeVar("One")

log = structlog.get_logger()


async def sweep_forever(client: Client, database: Database, settings: Settings) -> None:
    """Sweeps every ``settings.sweep_seconds``; servers that are away are waited for."""
    sweep = Sweep(client, database, Records(database, settings))
    while True:
        try:
            await sweep.once()
        except Exception as error:
            log.warning("sweep.failed", error=f"{type(error).__name__}: {error}"[:300])
        await asyncio.sleep(settings.sweep_seconds)


class Sweep:
    def __init__(self, client: Client, database: Database, records: Records) -> None:
        self._client = client
        self._database = database
        self._records = records

    async def once(self) -> None:
        """Look at everything once. One thing that fails does not keep the others from it."""
        rows = await self._open_rows()
        await _each("deployment_id", {row.id: row for row in rows}, self._look_at)
        apps = await self._half_deleted()
        await _each("app_id", {app.id: app for app in apps}, self._delete_again)
        await take_up_imports(self._client, self._database, self._state)
        users = await self._half_deleted_users()
        await _each("user_id", {user: user for user in users}, self._delete_user_again)
        users = await self._open_workspaces()
        await _each("user_id", {user: user for user in users}, self._look_at_workspace)
        owed = await self._owed_checkouts()
        await _each("app_id", {row.app_id: row for row in owed}, self._leave)

    async def _delete_again(self, app: App) -> None:
        assert app.id is not None
        workflow_id = ids.delete_app_workflow(app.id)
        if await self._state(workflow_id) is not WorkflowExecutionStatus.RUNNING:
            log.info("sweep.delete_again", app_id=app.id)
            await commands.delete_app(
                self._client, DeleteAppInput(app_id=app.id, user_id=app.user_id)
            )

    async def _delete_user_again(self, user_id: int) -> None:
        workflow_id = ids.delete_user_workflow(user_id)
        if await self._state(workflow_id) is not WorkflowExecutionStatus.RUNNING:
            log.info("sweep.delete_user_again", user_id=user_id)
            await commands.delete_user(self._client, user_id)

    async def _leave(self, owed: OwedCheckoutRow) -> None:
        await workspace_commands.leave_app(self._client, owed.user_id, owed.app_id)

    async def _open_workspaces(self) -> list[int]:
        """Whose workspaces are not stopped, on hosts that could do something about it."""
        query = (
            select(Workspace.user_id)
            .join(NodeRow, col(NodeRow.node_id) == col(Workspace.node_id))
            .where(
                Workspace.status != WorkspaceStatus.STOPPED,
                NodeRow.status == NodeStatus.UP,
                col(Workspace.changed_at) < now() - GRACE,
                col(Workspace.user_id).not_in(select(AccountDeletion.user_id)),
            )
        )
        async with self._database.session() as session:
            return list((await session.exec(query)).all())

    async def _owed_checkouts(self) -> list[OwedCheckoutRow]:
        """Of workspaces that are open; the others see to it when they are opened."""
        query = (
            select(OwedCheckoutRow)
            .join(Workspace, col(Workspace.user_id) == col(OwedCheckoutRow.user_id))
            .join(NodeRow, col(NodeRow.node_id) == col(Workspace.node_id))
            .where(
                Workspace.status == WorkspaceStatus.OPEN,
                NodeRow.status == NodeStatus.UP,
                col(OwedCheckoutRow.created_at) < now() - OWED_GRACE,
            )
        )
        async with self._database.session() as session:
            return list((await session.exec(query)).all())

    async def _look_at_workspace(self, user_id: int) -> None:
        state = await self._state(ids.workspace_workflow(user_id))
        if state is WorkflowExecutionStatus.RUNNING:
            return
        log.warning("sweep.workspace_taken_up", user_id=user_id)
        with contextlib.suppress(TimeoutError):
            await workspace_commands.resume(self._client, user_id)

    async def _open_rows(self) -> list[Deployment]:
        query = (
            select(Deployment)
            .where(
                col(Deployment.status).in_(UNDER_WAY),
                col(Deployment.created_at) < now() - GRACE,
            )
            .order_by(col(Deployment.id))
        )
        async with self._database.session() as session:
            return list((await session.exec(query)).all())

    async def _half_deleted(self) -> list[App]:
        async with self._database.session() as session:
            return list((await session.exec(select(App).where(col(App.deleting)))).all())

    async def _half_deleted_users(self) -> list[int]:
        query = select(AccountDeletion.user_id).where(col(AccountDeletion.ended_at).is_(None))
        async with self._database.session() as session:
            return list((await session.exec(query)).all())

    async def _look_at(self, row: Deployment) -> None:
        assert row.id is not None
        state = await self._state(ids.deployment_workflow(row.id))
        if state is WorkflowExecutionStatus.RUNNING:
            return
        if state is None:
            await self._ask_again(row)
        else:
            await self._give_up(row, state)

    async def _ask_again(self, row: Deployment) -> None:
        """Nobody has heard of it: ask, as its writer would have, if nothing was asked for since."""
        assert row.id is not None
        queue = await commands.queue(self._client, row.app_id)
        if row.id in (queue.running, *queue.waiting):
            return
        later = await self._asked_later(row)
        if later is not None:
            await self._displace(row.id, later)
            return
        log.info("sweep.ask_again", deployment_id=row.id, app_id=row.app_id)
        await self._submit(row)

    async def _asked_later(self, row: Deployment) -> int | None:
        """The newest deployment that somebody asked for after this one, however that one ended.

        None for a repair, which waits its turn whatever else is asked for, and for one that has
        begun: it had the lock, so that nothing has run after it.
        """
        if row.kind == DeploymentKind.REPAIR or row.status != DeploymentStatus.PENDING:
            return None
        # One that is being asked for just now may still be refused, and its record is gone then.
        asked = or_(
            col(Deployment.status) != DeploymentStatus.PENDING,
            col(Deployment.created_at) < now() - GRACE,
        )
        query = (
            select(Deployment.id)
            .where(
                Deployment.app_id == row.app_id,
                col(Deployment.id) > row.id,
                Deployment.kind != DeploymentKind.REPAIR,
                asked,
            )
            .order_by(col(Deployment.id).desc())
            .limit(1)
        )
        async with self._database.session() as session:
            return (await session.exec(query)).first()

    async def _displace(self, deployment_id: int, later: int) -> None:
        """It never began, and would undo what was asked for since: it ends CANCELLED."""
        log.info("sweep.displaced", deployment_id=deployment_id, by=later)
        await self._records.record_progress(
            Progress(
                deployment_id=deployment_id,
                version=1,
                status=DeploymentStatus.CANCELLED,
                stages=[],
                error=displaced_by(later),
                ended_at=datetime.now(UTC),
            )
        )

    async def _submit(self, row: Deployment) -> None:
        assert row.id is not None
        await commands.submit(
            self._client,
            DeployRequest(
                deployment_id=row.id,
                app_id=row.app_id,
                user_id=row.user_id,
                on_busy=OnBusy.QUEUE,
                repair=row.kind == DeploymentKind.REPAIR,
                traceparent=row.traceparent,
            ),
        )

    async def _give_up(self, row: Deployment, state: WorkflowExecutionStatus) -> None:
        """The workflow is over, and did not get to write how it ended."""
        assert row.id is not None
        if await self._has_ended(row.id):
            return
        log.warning("sweep.ended_by_force", deployment_id=row.id, state=state.name)
        await self._records.record_progress(
            Progress(
                deployment_id=row.id,
                version=Progress.FORCED,
                status=DeploymentStatus.FAILED,
                stages=[],
                error=ErrorReport(
                    what=f"an operator ended this deployment by force ({state.name.lower()})",
                    code=ErrorCode.ENDED_BY_FORCE,
                    hint="what it left behind is being cleaned up; deploy again",
                ),
                ended_at=datetime.now(UTC),
            )
        )
        if row.kind == DeploymentKind.REPAIR:
            return
        repair = await self._records.open_repair(
            Repair(app_id=row.app_id, why=f"deployment {row.id} was ended by force")
        )
        async with self._database.session() as session:
            opened = await session.get(Deployment, repair.deployment_id)
        if opened is not None:
            await self._submit(opened)

    async def _has_ended(self, deployment_id: int) -> bool:
        """Asked again after the workflow was seen closed: it writes its end before it closes."""
        async with self._database.session() as session:
            row = await session.get(Deployment, deployment_id)
        return row is None or DeploymentStatus(row.status).ended

    async def _state(self, workflow_id: str) -> WorkflowExecutionStatus | None:
        """None when there is no such workflow."""
        try:
            found = await self._client.get_workflow_handle(workflow_id).describe(
                rpc_timeout=RPC_TIMEOUT
            )
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        return found.status


async def _each(
    name: str, found: Mapping[int | None, One], look: Callable[[One], Awaitable[None]]
) -> None:
    """One that fails is looked at again by the next sweep, and keeps none of the others from it."""
    for id, one in found.items():
        try:
            await look(one)
        except Exception as error:
            log.warning(
                "sweep.not_yet",
                look=look.__name__,
                **{name: id},
                error=f"{type(error).__name__}: {error}"[:300],
            )
