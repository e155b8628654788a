"""What is resumed after a power cut goes live only when nothing was decided since."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.contracts.base import DeploymentKind, DeploymentStatus, Release
from activities.contracts.records import LiveInput
from activities.records import Records
from ops.db.tables import App, Deployment
from ops.error_codes import ErrorCode
from ops.errors import Conflict, from_application_error
from ops.settings import Settings
from tests.support.memory import RecordsInMemory

SHOP = 3
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def shop(*rows: Deployment, live: int | None = 1) -> RecordsInMemory:
    """An app with a release 1 that was live before, and these deployments."""
    made = RecordsInMemory()
    await made.add(
        App(id=SHOP, user_id=7, name="shop", slug="shop", live_deployment_id=live),
        deployment(1, "SUCCEEDED"),
        *rows,
    )
    return made


def deployment(id: int, status: str, kind: DeploymentKind = DeploymentKind.DEPLOY) -> Deployment:
    return Deployment(id=id, app_id=SHOP, user_id=7, kind=kind, status=status)


async def go_live(records: RecordsInMemory, id: int) -> None:
    given = LiveInput(
        deployment_id=id,
        app_id=SHOP,
        release_id=id,
        node_id="runtime-102",
        release=Release(repository="u7-app3", digest=f"sha256:{id}", commit="c" * 40),
        at=AT,
    )
    await Records(records, Settings()).record_live(given)


async def live(records: RecordsInMemory) -> int | None:
    app: App = await records.again(App, SHOP)
    return app.live_deployment_id


async def refused(records: RecordsInMemory, id: int) -> ErrorCode | None:
    """Why; nothing of it is written then, and it is not tried again."""
    with pytest.raises(ApplicationError) as refusal:
        await go_live(records, id)
    assert (refusal.value.type, refusal.value.non_retryable) == (Conflict.__name__, True)
    row: Any = await records.again(Deployment, id)
    assert (row.live_at, row.digest) == (None, None)
    return from_application_error(refusal.value).code


@pytest.mark.parametrize("status", ["CANCELLED", "FAILED", "ROLLED_BACK"])
async def test_what_was_given_up_does_not_go_live(status: str) -> None:
    records = await shop(deployment(2, status))
    assert await refused(records, 2) is ErrorCode.DEPLOYMENT_ENDED
    assert await live(records) == 1


@pytest.mark.parametrize("kind", [DeploymentKind.DEPLOY, DeploymentKind.ROLLBACK])
async def test_nothing_goes_live_over_a_newer_release(kind: DeploymentKind) -> None:
    for status in ("RUNNING", "SUCCEEDED"):
        records = await shop(deployment(2, "RUNNING"), deployment(3, status, kind), live=3)
        assert await refused(records, 2) is ErrorCode.DISPLACED
        assert await live(records) == 3


async def test_an_app_that_was_stopped_since_stays_so() -> None:
    stop = deployment(3, "SUCCEEDED", DeploymentKind.STOP)
    records = await shop(deployment(2, "RUNNING"), stop, live=None)
    assert await refused(records, 2) is ErrorCode.DISPLACED
    assert await live(records) is None


async def test_what_went_well_goes_live_once_more() -> None:
    """The records knew its end, and Temporal has lost its last steps: nothing of it is undone."""
    records = await shop(deployment(2, "SUCCEEDED"), live=2)
    for _ in range(2):
        await go_live(records, 2)
    assert await live(records) == 2


async def test_what_waits_or_failed_or_was_repaired_since_is_in_nobodys_way() -> None:
    since = [
        deployment(3, "SUCCEEDED", DeploymentKind.REPAIR),
        deployment(4, "FAILED"),
        deployment(5, "CANCELLED"),
        deployment(6, "PENDING"),
    ]
    records = await shop(deployment(2, "RUNNING"), *since)
    await go_live(records, 2)
    assert await live(records) == 2
    row: Any = await records.again(Deployment, 2)
    assert row.status == DeploymentStatus.RUNNING
    assert row.live_at == AT.replace(tzinfo=None)
