"""Where an app is served: while it is live, and while its first release is being verified."""

from __future__ import annotations

from typing import Any

from activities.contracts.base import DeploymentStatus, Stage, StageStatus
from activities.contracts.records import Progress, StageRecord
from activities.records import Records
from ops.db.serving import Served, where_served
from ops.db.tables import App, Deployment, now
from tests.activities.conftest import Given


async def served(given: Given, app: App) -> Served | None:
    async with given.database.session() as session:
        by_slug = await where_served(session, slug=app.slug)
        assert await where_served(session, app_id=app.id) == by_slug
    return by_slug


async def change(given: Given, app: App, **values: Any) -> None:
    async with given.database.session() as session:
        row = await session.get(App, app.id)
        assert row is not None
        for name, value in values.items():
            setattr(row, name, value)


def verifying(row: Deployment, version: int, status: StageStatus) -> Progress:
    assert row.id is not None
    return Progress(
        deployment_id=row.id,
        version=version,
        status=DeploymentStatus.RUNNING,
        stages=[StageRecord(name=Stage.VERIFY, status=status, started_at=now())],
    )


async def test_a_live_app_is_served_and_a_stopped_or_deleted_one_is_not(given: Given) -> None:
    app = await given.app(node_id="runtime-102")
    assert await served(given, app) is None
    await change(given, app, live_deployment_id=7)
    assert await served(given, app) == Served(app.slug, "runtime-102")
    await change(given, app, stopped=True)
    assert await served(given, app) is None
    await change(given, app, stopped=False, deleting=True)
    assert await served(given, app) is None


async def test_a_first_release_is_reachable_to_be_verified(given: Given, records: Records) -> None:
    app = await given.app(node_id="runtime-102", stopped=True)
    row = await given.deployment(app, status="RUNNING", node_id="runtime-102")
    assert await served(given, app) is None
    await records.record_progress(verifying(row, 1, StageStatus.RUNNING))
    assert await served(given, app) == Served(app.slug, "runtime-102")
    await records.record_progress(verifying(row, 2, StageStatus.FAILED))
    assert await served(given, app) is None
