"""Records of whole apps: what there is of one, its deletion, and repairs of it."""

from __future__ import annotations

from sqlmodel import col, delete, select
from temporalio import activity

from activities.boundary import reports_errors
from activities.contracts.apps import DELETE_APP_RECORDS, LOAD_APP, AppRef, AppThings
from activities.contracts.base import Confirmed, DeploymentKind
from activities.contracts.nodes import OPEN_REPAIR, OpenedRepair, Repair
from activities.rows import UNDER_WAY, get_app
from ops.db.session import Database
from ops.db.tables import App, Deployment, DeploymentStage
from ops.logstore import LogStore
from ops.names import app_database, app_repository
from ops.settings import Settings


class AppRecords:
    """Activities of the control worker over whole apps."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    @activity.defn(name=LOAD_APP.name)
    @reports_errors
    async def load_app(self, ref: AppRef) -> AppThings:
        async with self._database.session() as session:
            app = await get_app(session, ref.app_id)
            placed = await session.exec(
                select(Deployment.node_id).where(Deployment.app_id == ref.app_id).distinct()
            )
            nodes = {node for node in [*placed, app.node_id] if node is not None}
        known = self._settings.nodes
        return AppThings(
            app_id=ref.app_id,
            user_id=app.user_id,
            slug=app.slug,
            repository=app_repository(app.user_id, ref.app_id),
            database=app_database(ref.app_id),
            nodes=[node.node_id for node in known if node.node_id in nodes],
            runners=[node.node_id for node in known if node.role == "runner"],
        )

    @activity.defn(name=DELETE_APP_RECORDS.name)
    @reports_errors
    async def delete_app_records(self, things: AppThings) -> Confirmed:
        """The last part of a deletion: logs, deployments, environment and the app itself."""
        own = select(Deployment.id).where(Deployment.app_id == things.app_id)
        logs = LogStore.open(self._settings)
        async with self._database.session() as session:
            for deployment_id in (await session.exec(own)).all():
                logs.delete(deployment_id or 0)
            await session.exec(
                delete(DeploymentStage).where(col(DeploymentStage.deployment_id).in_(own))
            )
            await session.exec(delete(App).where(col(App.id) == things.app_id))
        return Confirmed(gone=[f"records of app {things.app_id}"])

    @activity.defn(name=OPEN_REPAIR.name)
    @reports_errors
    async def open_repair(self, repair: Repair) -> OpenedRepair:
        """The app's repair that waits or runs; a new one when there is none."""
        async with self._database.session() as session:
            app = await get_app(session, repair.app_id, lock=True)
            open_one = select(Deployment).where(
                Deployment.app_id == repair.app_id,
                Deployment.kind == DeploymentKind.REPAIR,
                col(Deployment.status).in_(UNDER_WAY),
            )
            row = (await session.exec(open_one)).first()
            if row is None:
                row = Deployment(
                    app_id=repair.app_id,
                    user_id=app.user_id,
                    kind=DeploymentKind.REPAIR,
                    on_busy="queue",
                )
                session.add(row)
                await session.flush()
            assert row.id is not None
            return OpenedRepair(deployment_id=row.id, app_id=repair.app_id, user_id=app.user_id)
