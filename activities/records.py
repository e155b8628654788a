"""The records (MariaDB) as workflows see them. Every write may be repeated and then changes nothing."""

from __future__ import annotations

import asyncio

import structlog
from sqlmodel import col, select, update
from temporalio import activity

from activities.app_records import AppRecords
from activities.boundary import reports_errors
from activities.contracts.base import DeploymentKind, DeploymentRef
from activities.contracts.records import (
    LOAD_PLAN,
    RECORD_LIVE,
    RECORD_OWED,
    RECORD_PROGRESS,
    RECORD_PUSHED,
    RECORD_UNLIVE,
    TAKE_PRUNABLE,
    LiveInput,
    OwedUndo,
    Plan,
    Progress,
    Prunable,
    PrunableInput,
    PushedInput,
    UnliveInput,
)
from activities.releases import plan_for, prunable_digests, refuse_resumed
from activities.rows import (
    close_stages,
    done_after,
    get_app,
    get_deployment,
    last_release,
    naive,
    put_progress,
    put_release,
    put_stages,
    without_log,
)
from ops.db.tables import Deployment, OwedUndoRow
from ops.errors import NotFound
from ops.logstore import LogStore
from ops.metrics import metrics

log = structlog.get_logger()


class Records(AppRecords):
    """Activities of the control worker over deployments and, inherited, over whole apps."""

    # --- the course of a deployment ------------------------------------------------------------

    @activity.defn(name=LOAD_PLAN.name)
    @reports_errors
    async def load_plan(self, ref: DeploymentRef) -> Plan:
        """What the row asks for. The release it starts from is recorded with the row."""
        async with self._database.session() as session:
            app = await get_app(session, ref.app_id)
            row = await session.get(Deployment, ref.deployment_id, with_for_update=True)
            if row is None or row.app_id != ref.app_id:
                raise NotFound(f"app {ref.app_id} has no deployment {ref.deployment_id}")
            plan = plan_for(
                self._settings,
                app,
                row,
                source=await get_deployment(session, row.source_deployment_id),
                live=await get_deployment(session, app.live_deployment_id),
                last=await last_release(session, ref.app_id),
            )
            if plan.release is not None and plan.kind is not DeploymentKind.REPAIR:
                put_release(row, plan.release)
            return plan

    @activity.defn(name=RECORD_PROGRESS.name)
    @reports_errors
    async def record_progress(self, progress: Progress) -> None:
        """Writes a snapshot, unless a newer one is there or the deployment has ended."""
        ended = await self._write(progress)
        if ended is not None:
            _tell(ended, progress)
            await self._drop_old_logs(ended.app_id)

    async def _write(self, progress: Progress) -> Deployment | None:
        """The deployment, when it was this snapshot that ended it."""
        async with self._database.session() as session:
            if not await put_progress(session, progress):
                return None
            await put_stages(session, progress)
            if not progress.status.ended:
                return None
            row = await session.get(Deployment, progress.deployment_id)
            if row is not None and progress.version >= Progress.FORCED:
                await close_stages(session, row)
            return row

    async def _drop_old_logs(self, app_id: int) -> None:
        """However often an app is deployed, its logs stay few. What fails here, the next one does."""
        logs = LogStore.open(self._settings)
        async with self._database.session() as session:
            old = await without_log(session, app_id, self._settings.kept_logs)
        try:
            await asyncio.to_thread(logs.delete, *old)
        except OSError as error:
            log.warning("deployment.logs_not_dropped", app_id=app_id, error=str(error))

    @activity.defn(name=RECORD_PUSHED.name)
    @reports_errors
    async def record_pushed(self, given: PushedInput) -> None:
        """The image exists: also for earlier rows of the app that named the same one."""
        async with self._database.session() as session:
            row = await session.get(Deployment, given.deployment_id, with_for_update=True)
            if row is None:
                return
            put_release(row, given.release)
            row.build_key = given.build_key
            await session.exec(
                update(Deployment)
                .where(
                    col(Deployment.app_id) == given.app_id,
                    col(Deployment.digest) == given.release.digest,
                )
                .values(image_gone=False)
            )

    @activity.defn(name=RECORD_LIVE.name)
    @reports_errors
    async def record_live(self, given: LiveInput) -> None:
        """Raises Conflict when it was given up, or something newer was done: after a power cut
        Temporal may know less than the records do."""
        first = False
        async with self._database.session() as session:
            app = await get_app(session, given.app_id, lock=True)
            row = await session.get(Deployment, given.deployment_id, with_for_update=True)
            if row is not None:
                refuse_resumed(app, row, await done_after(session, row))
            app.live_deployment_id = given.release_id
            app.node_id = given.node_id
            app.stopped = False
            if row is not None:
                first = row.live_at is None
                row.live_at = row.live_at or naive(given.at)
                row.node_id = given.node_id
                put_release(row, given.release)
        if row is not None and first:
            metrics().went_live(row.kind, (naive(given.at) - row.created_at).total_seconds())

    @activity.defn(name=RECORD_UNLIVE.name)
    @reports_errors
    async def record_unlive(self, given: UnliveInput) -> None:
        """Back to what served before. A stopped app has no live release, but a last one to start."""
        async with self._database.session() as session:
            app = await get_app(session, given.app_id, lock=True)
            if given.stopped:
                app.live_deployment_id = None
                app.stopped = True
                return
            if app.live_deployment_id != given.deployment_id:
                return
            previous = await get_deployment(session, given.previous_deployment_id)
            app.live_deployment_id = previous.id if previous else None
            if previous is not None and previous.node_id is not None:
                app.node_id = previous.node_id
            if previous is None:
                app.stopped = await last_release(session, given.app_id) is not None

    @activity.defn(name=RECORD_OWED.name)
    @reports_errors
    async def record_owed(self, owed: OwedUndo) -> None:
        async with self._database.session() as session:
            same = select(OwedUndoRow).where(
                OwedUndoRow.node_id == owed.node_id,
                OwedUndoRow.deployment_id == owed.deployment_id,
                OwedUndoRow.app_id == owed.app_id,
                OwedUndoRow.what == owed.what[:255],
                col(OwedUndoRow.done_at).is_(None),
            )
            if (await session.exec(same)).first() is None:
                session.add(
                    OwedUndoRow(
                        node_id=owed.node_id,
                        deployment_id=owed.deployment_id,
                        app_id=owed.app_id,
                        what=owed.what[:255],
                    )
                )

    # --- images --------------------------------------------------------------------------------

    @activity.defn(name=TAKE_PRUNABLE.name)
    @reports_errors
    async def take_prunable(self, given: PrunableInput) -> Prunable:
        """Marks the images that no release needs, and answers all that are marked.

        A digest is answered again until ``delete_image`` has confirmed it and taken it off.
        """
        async with self._database.session() as session:
            app = await get_app(session, given.app_id, lock=True)
            named = select(Deployment).where(
                Deployment.app_id == given.app_id, col(Deployment.digest).is_not(None)
            )
            rows = (await session.exec(named)).all()
            digests = prunable_digests(rows, app.live_deployment_id, given.keep)
            for row in rows:
                if row.digest in digests:
                    row.image_gone = True
            kept = {row.digest for row in rows if row.digest and row.digest not in digests}
            return Prunable(digests=digests, keep=sorted(kept))


def _tell(row: Deployment, progress: Progress) -> None:
    """How a deployment has ended, once, for the log and the figures."""
    assert row.ended_at is not None
    log.info(
        "deployment.ended",
        deployment_id=row.id,
        app_id=row.app_id,
        user_id=row.user_id,
        kind=row.kind,
        status=progress.status,
        seconds=round((row.ended_at - row.created_at).total_seconds(), 2),
        stage=progress.error.stage if progress.error else None,
        error=progress.error.what if progress.error else None,
    )
    metrics().deployment_ended(row.kind, progress.status)
    for stage in progress.stages:
        if stage.ended_at is not None:
            metrics().stage_ended(stage.name, stage.status, stage.started_at, stage.ended_at)
