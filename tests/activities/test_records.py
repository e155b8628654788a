"""The records: each write twice, out of order, and after the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select
from temporalio.exceptions import ApplicationError

from activities.contracts.apps import AppRef
from activities.contracts.base import DeploymentRef, DeploymentStatus, Release, Stage, StageStatus
from activities.contracts.nodes import Repair
from activities.contracts.records import (
    LiveInput,
    OwedUndo,
    Progress,
    PrunableInput,
    PushedInput,
    StageRecord,
    UnliveInput,
)
from activities.records import Records
from ops.db.tables import App, Deployment, DeploymentStage, OwedUndoRow
from ops.errors import ErrorReport
from ops.logstore import LogStore
from ops.settings import Settings
from tests.activities.conftest import Given

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def progress(row: Deployment, version: int, **values: Any) -> Progress:
    assert row.id is not None
    base: dict[str, Any] = {
        "deployment_id": row.id,
        "version": version,
        "status": DeploymentStatus.RUNNING,
        "stages": [],
    }
    return Progress(**base | values)


def stage(name: Stage, status: StageStatus, **values: Any) -> StageRecord:
    return StageRecord(name=name, status=status, started_at=AT, **values)


def release(digest: str) -> Release:
    return Release(repository="u1-app1", digest=digest, commit="abc", port=8080, health_path="/up")


def live(row: Deployment, digest: str) -> LiveInput:
    assert row.id is not None
    return LiveInput(
        deployment_id=row.id,
        app_id=row.app_id,
        release_id=row.id,
        node_id="runtime-102",
        release=release(digest),
        at=AT,
    )


async def stages(given: Given, row: Deployment) -> dict[str, DeploymentStage]:
    query = select(DeploymentStage).where(DeploymentStage.deployment_id == row.id)
    async with given.database.session() as session:
        return {found.name: found for found in await session.exec(query)}


async def test_snapshots_only_go_forward_and_never_back_from_the_end(
    given: Given, records: Records
) -> None:
    row = await given.deployment(await given.app())
    clone = stage(Stage.CLONE, StageStatus.RUNNING, host="runner-101")
    done = stage(Stage.CLONE, StageStatus.SUCCEEDED, host="runner-101", ended_at=AT)
    await records.record_progress(progress(row, 1, stages=[clone]))
    build = stage(Stage.BUILD, StageStatus.RUNNING, attempt=2)
    for _ in range(2):
        await records.record_progress(progress(row, 3, stages=[done, build], commit="abc"))
    await records.record_progress(progress(row, 2, stages=[clone]))
    found = await stages(given, row)
    assert found["clone"].status == "SUCCEEDED"
    assert found["clone"].ended_at == AT.replace(tzinfo=None)
    assert found["build"].attempt == 2
    lost = ErrorReport(stage="build", what="it was lost", code="runner_lost", values={"node": "r"})
    failed = stage(Stage.BUILD, StageStatus.FAILED, error=lost.what, report=lost)
    await records.record_progress(progress(row, 4, stages=[done, failed]))
    found = await stages(given, row)
    assert found["clone"].report is None
    assert found["build"].report is not None
    assert ErrorReport.model_validate(found["build"].report) == lost
    error = ErrorReport(stage="build", what="it failed", log_tail=["last line"])
    end = progress(
        row, 5, status=DeploymentStatus.FAILED, error=error, ended_at=AT, removed=["container x"]
    )
    await records.record_progress(end)
    await records.record_progress(progress(row, 9))
    now = await given.again(row)
    assert (now.status, now.commit, now.version, now.removed) == (
        "FAILED",
        "abc",
        5,
        ["container x"],
    )
    assert now.error["log_tail"] == ["last line"]
    assert now.ended_at == AT.replace(tzinfo=None)


async def test_an_end_by_force_closes_what_ran(given: Given, records: Records) -> None:
    row = await given.deployment(await given.app())
    await records.record_progress(
        progress(row, 5, stages=[stage(Stage.BUILD, StageStatus.RUNNING)])
    )
    forced = progress(row, Progress.FORCED, status=DeploymentStatus.FAILED, ended_at=AT)
    await records.record_progress(forced)
    assert (await stages(given, row))["build"].status == "CANCELLED"
    assert (await given.again(row)).status == "FAILED"


async def test_a_release_goes_live_and_back(given: Given, records: Records) -> None:
    app = await given.app()
    old = await given.deployment(app, digest="sha256:1", status="SUCCEEDED", live_at=AT)
    new = await given.deployment(app, status="RUNNING")
    assert old.id is not None
    assert new.id is not None
    await records.record_live(live(old, "sha256:1"))
    for _ in range(2):
        await records.record_live(live(new, "sha256:2"))
    now: App = await given.again(app)
    assert (now.live_deployment_id, now.node_id, now.stopped) == (new.id, "runtime-102", False)
    row: Deployment = await given.again(new)
    assert (row.digest, row.port, row.health_path, row.commit) == (
        "sha256:2",
        8080,
        "/up",
        "abc",
    )
    assert row.live_at == AT.replace(tzinfo=None)
    back = UnliveInput(deployment_id=new.id, app_id=row.app_id, previous_deployment_id=old.id)
    for _ in range(2):
        await records.record_unlive(back)
    assert (await given.again(app)).live_deployment_id == old.id


async def test_a_stopped_app_starts_from_its_last_release(given: Given, records: Records) -> None:
    app = await given.app()
    assert app.id is not None
    first = await given.deployment(
        app, digest="sha256:1", status="SUCCEEDED", live_at=AT, commit="c1"
    )
    await records.record_live(live(first, "sha256:1"))
    await given.deployment(
        app, digest="sha256:2", status="SUCCEEDED", live_at=AT - timedelta(days=1)
    )
    stop = await given.deployment(app, kind="stop")
    assert stop.id is not None
    await records.record_unlive(
        UnliveInput(
            deployment_id=stop.id,
            app_id=app.id,
            previous_deployment_id=first.id,
            stopped=True,
        )
    )
    now: App = await given.again(app)
    assert (now.live_deployment_id, now.stopped) == (None, True)
    start = await given.deployment(app, kind="start")
    assert start.id is not None
    plan = await records.load_plan(DeploymentRef(deployment_id=start.id, app_id=app.id))
    assert plan.release is not None
    assert plan.release.digest == "sha256:1"
    assert (await given.again(start)).digest == "sha256:1"
    # It went live and did not survive the soak: the app is stopped again.
    await records.record_live(live(start, "sha256:1"))
    await records.record_unlive(
        UnliveInput(deployment_id=start.id, app_id=app.id, previous_deployment_id=None)
    )
    now = await given.again(app)
    assert (now.live_deployment_id, now.stopped) == (None, True)


async def test_an_image_is_on_record_until_it_is_pruned_and_again_once_pushed(
    given: Given, records: Records
) -> None:
    app = await given.app()
    assert app.id is not None
    rows = [await given.deployment(app, status="SUCCEEDED") for _ in range(5)]
    for number, row in enumerate(rows):
        assert row.id is not None
        await records.record_pushed(
            PushedInput(
                deployment_id=row.id,
                app_id=app.id,
                release=release(f"sha256:{number}"),
                build_key=f"key-{number}",
            )
        )
    await records.record_live(live(rows[4], "sha256:4"))
    prunable = PrunableInput(app_id=app.id, keep=3)
    for _ in range(2):
        assert (await records.take_prunable(prunable)).digests == ["sha256:1", "sha256:0"]
    assert (await given.again(rows[0])).image_gone
    assert not (await given.again(rows[2])).image_gone
    assert rows[4].id is not None
    again = PushedInput(
        deployment_id=rows[4].id, app_id=app.id, release=release("sha256:0"), build_key="key-0"
    )
    await records.record_pushed(again)
    assert not (await given.again(rows[0])).image_gone


async def test_a_repair_is_asked_for_once(given: Given, records: Records) -> None:
    app = await given.app()
    assert app.id is not None
    first = await records.open_repair(Repair(app_id=app.id, why="its container is missing"))
    assert await records.open_repair(Repair(app_id=app.id, why="its route is missing")) == first
    plan = await records.load_plan(first)
    assert (plan.kind, plan.release) == ("repair", None)
    async with given.database.session() as session:
        row = await session.get(Deployment, first.deployment_id)
        assert row is not None
        row.status = DeploymentStatus.SUCCEEDED
    assert await records.open_repair(Repair(app_id=app.id, why="again")) != first


async def test_what_is_owed_is_noted_once(given: Given, records: Records) -> None:
    app = await given.app()
    assert app.id is not None
    owed = OwedUndo(deployment_id=1, app_id=app.id, node_id="runner-101", what="w" * 300)
    for _ in range(2):
        await records.record_owed(owed)
    async with given.database.session() as session:
        rows = await session.exec(select(OwedUndoRow).where(OwedUndoRow.app_id == app.id))
        assert len(rows.all()) == 1


async def test_deleting_an_app_takes_everything_of_it(
    given: Given, records: Records, settings: Settings
) -> None:
    app = await given.app(node_id="runtime-102")
    row = await given.deployment(app, node_id="gone-1")
    assert app.id is not None
    assert row.id is not None
    await records.record_progress(
        progress(row, 1, stages=[stage(Stage.BUILD, StageStatus.RUNNING)])
    )
    logs = LogStore.open(settings)
    await logs.append(row.id, "build", "s", 0, ["line"])
    things = await records.load_app(AppRef(app_id=app.id))
    assert things.nodes == ["runtime-102"]
    assert things.runners[0] == "runner-101"
    for _ in range(2):
        await records.delete_app_records(things)
    assert await given.again(app) is None
    assert await given.again(row) is None
    assert await stages(given, row) == {}
    assert not logs.path(row.id).exists()
    with pytest.raises(ApplicationError) as failure:
        await records.load_app(AppRef(app_id=app.id))
    assert failure.value.type == "NotFound"
    await records.record_progress(progress(row, 2))
