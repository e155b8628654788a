"""Of each app the logs of its newest deployments are kept, and one that is gone is told to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest
from fastapi.responses import StreamingResponse

from activities.contracts.base import DeploymentStatus
from activities.contracts.records import Progress
from activities.records import Records
from api.deploy_control import logs as routes
from api.deploy_control.auth import Caller
from api.deploy_control.state import State
from ops.db.tables import Deployment
from ops.logstore import LogStore
from ops.settings import Settings
from tests.support.memory import RecordsInMemory

SHOP = 3
NEIGHBOUR = 4
KEPT = 2


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, kept_logs=KEPT)


async def with_logs(settings: Settings, *rows: Deployment) -> RecordsInMemory:
    records = RecordsInMemory()
    await records.add(*rows)
    for row in rows:
        assert row.id is not None
        await LogStore.open(settings).append(row.id, "build", "s", 0, [f"line of {row.id}"])
    return records


def row(id: int, status: str = "FAILED", app_id: int = SHOP) -> Deployment:
    return Deployment(id=id, app_id=app_id, user_id=7, kind="deploy", status=status)


async def end(records: RecordsInMemory, settings: Settings, id: int) -> None:
    for _ in range(2):
        await Records(records, settings).record_progress(
            Progress(
                deployment_id=id, version=1, status=DeploymentStatus.FAILED, stages=[], error=None
            )
        )


def kept(settings: Settings) -> list[int]:
    return sorted(int(file.stem) for file in LogStore.open(settings).folder.iterdir())


async def read(
    records: RecordsInMemory, settings: Settings, id: int, after: int = -1, follow: bool = False
) -> list[str]:
    state = cast(State, _State(settings, records))
    answer: StreamingResponse = await routes.read(id, cast(Caller, None), state, after, follow)
    data = "".join([str(chunk, "utf-8") async for chunk in answer.body_iterator])  # type: ignore[arg-type]
    lines = [json.loads(line) for line in data.splitlines()]
    assert all(set(line) == {"n", "text", "source", "at"} for line in lines)
    return [line["text"] for line in lines]


class _State(State):
    """What the routes of logs look at."""

    def __init__(self, settings: Settings, records: RecordsInMemory) -> None:
        for name, value in (
            ("settings", settings),
            ("database", records),
            ("logs", LogStore.open(settings)),
        ):
            object.__setattr__(self, name, value)


async def test_a_deployment_that_fails_takes_the_log_of_an_old_one_with_it(
    settings: Settings,
) -> None:
    neighbours = row(2, app_id=NEIGHBOUR)
    records = await with_logs(settings, row(1), neighbours, row(3), row(4), row(9, "RUNNING"))
    await end(records, settings, 9)
    assert kept(settings) == [2, 4, 9]


async def test_the_log_of_one_that_still_waits_is_kept_however_old(settings: Settings) -> None:
    records = await with_logs(settings, row(1, "PENDING"), row(3), row(4), row(9, "RUNNING"))
    await end(records, settings, 9)
    assert kept(settings) == [1, 4, 9]


async def test_so_few_deployments_keep_all_their_logs(settings: Settings) -> None:
    records = await with_logs(settings, row(1), row(9, "RUNNING"))
    await end(records, settings, 9)
    assert kept(settings) == [1, 9]


async def test_a_disk_that_fails_keeps_no_deployment_from_ending(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = await with_logs(settings, row(1), row(3), row(4), row(9, "RUNNING"))

    def broken(self: LogStore, *deployment_ids: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(LogStore, "delete", broken)
    await end(records, settings, 9)
    assert (await records.again(Deployment, 9)).status == "FAILED"


@pytest.mark.parametrize("follow", [False, True])
async def test_who_reads_a_log_that_is_gone_is_told_so(settings: Settings, follow: bool) -> None:
    records = await with_logs(settings, row(1), row(3), row(4), row(9, "RUNNING"))
    await end(records, settings, 9)
    assert await read(records, settings, 4, follow=follow) == ["line of 4"]
    told = await read(records, settings, 1, follow=follow)
    assert told == ["… this log is no longer kept: only those of an app's newest 2 deployments are"]
    assert await read(records, settings, 1, follow=follow, after=0) == []


async def test_a_log_that_nothing_was_written_to_is_not_told_to_be_gone(
    settings: Settings,
) -> None:
    records = await with_logs(settings)
    await records.add(row(1), row(3))
    assert await read(records, settings, 1) == []
