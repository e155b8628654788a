"""What is asked for is written down only if it can be carried out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlmodel import select

from activities.contracts.base import DeploymentKind
from activities.contracts.records import PrunableInput
from activities.records import Records
from api.entry import publishing
from ops.db.tables import App, Deployment, User
from ops.error_codes import ErrorCode
from ops.errors import Conflict
from ops.settings import Settings
from tests.support.memory import RecordsInMemory

SETTINGS = Settings()
SHOP = 3
OWNER = 7


def release(id: int, **given: Any) -> Deployment:
    base: dict[str, Any] = {
        "kind": "deploy",
        "status": "SUCCEEDED",
        "commit": f"c{id}",
        "repository": "u7-app3",
        "digest": f"sha256:{id}",
    }
    return Deployment(id=id, app_id=SHOP, user_id=OWNER, **base | given)


@pytest.fixture
async def records() -> RecordsInMemory:
    """An app with four releases, of which the last is live."""
    made = RecordsInMemory()
    await made.add(
        User(id=OWNER, email="a@example.com", password_hash="x"),
        App(id=SHOP, user_id=OWNER, name="shop", slug="shop", live_deployment_id=4),
        *(release(id) for id in range(1, 5)),
    )
    return made


async def put_down(records: RecordsInMemory, row: Deployment) -> None:
    """Its id is given: SQLite counts up no BIGINT."""
    row.id = 5
    use: Any = SimpleNamespace(settings=SETTINGS, database=records)
    await publishing._record(use, await records.again(App, SHOP), row)


async def prune(records: RecordsInMemory) -> list[str]:
    given = PrunableInput(app_id=SHOP, keep=3)
    return (await Records(records, SETTINGS).take_prunable(given)).digests


@pytest.mark.parametrize("kind", [DeploymentKind.ROLLBACK, DeploymentKind.RETRY])
async def test_an_image_that_was_pruned_meanwhile_is_not_started(
    records: RecordsInMemory, kind: DeploymentKind
) -> None:
    app = await records.again(App, SHOP)
    row = publishing.from_release(app, kind, await records.again(Deployment, 1))
    assert row.digest == "sha256:1"
    assert await prune(records) == ["sha256:1"]
    with pytest.raises(Conflict) as refused:
        await put_down(records, row)
    assert refused.value.code is ErrorCode.IMAGE_PRUNED
    assert refused.value.values == {"id": 1}
    assert refused.value.hint == "deploy --ref c1"
    assert await records.again(Deployment, 5) is None


async def test_an_image_that_is_asked_for_is_not_pruned(records: RecordsInMemory) -> None:
    app = await records.again(App, SHOP)
    source = await records.again(Deployment, 1)
    await put_down(records, publishing.from_release(app, DeploymentKind.ROLLBACK, source))
    assert await prune(records) == []


async def test_what_is_built_anew_needs_no_image(records: RecordsInMemory) -> None:
    app = await records.again(App, SHOP)
    await prune(records)
    source = await records.again(Deployment, 1)
    await put_down(records, publishing.from_release(app, DeploymentKind.RETRY, source))
    async with records.session() as session:
        asked = (await session.exec(select(Deployment).where(Deployment.id == 5))).one()
    assert (asked.source_deployment_id, asked.digest) == (1, None)
