"""Which release a deployment starts from, and which images nobody needs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.contracts.base import DeploymentKind
from activities.contracts.records import Plan
from activities.releases import KEPT_FAILURES, plan_for, prunable_digests
from ops.db.tables import App, Deployment
from ops.errors import Conflict, NotFound
from ops.settings import Settings

SETTINGS = Settings()


def app(**given: Any) -> App:
    base: dict[str, Any] = {"id": 3, "user_id": 7, "name": "shop", "slug": "shop"}
    return App(**base | given)


def row(id: int, kind: str = "deploy", digest: str | None = None, **given: Any) -> Deployment:
    base: dict[str, Any] = {
        "id": id,
        "app_id": 3,
        "user_id": 7,
        "kind": kind,
        "status": "PENDING",
        "ref": "main",
        "digest": digest,
        "repository": "u7-app3" if digest else None,
        "commit": f"c{id}" if digest else None,
        "port": 8080 if digest else None,
        "image_gone": False,
    }
    return Deployment(**base | given)


def plan(
    asked: Deployment,
    of: App | None = None,
    *,
    source: Deployment | None = None,
    live: Deployment | None = None,
    last: Deployment | None = None,
) -> Plan:
    return plan_for(SETTINGS, of or app(), asked, source=source, live=live, last=last)


def test_a_deploy_builds_its_ref() -> None:
    made = plan(row(9, ref="topic"), app(live_deployment_id=5), live=row(5, digest="sha256:5"))
    assert made.release is None
    assert made.ref == "topic"
    assert (made.container, made.repository, made.database) == ("app-3-9", "u7-app3", "db_3")
    assert made.live_deployment_id == 5
    assert made.host == "shop.apps.localhost"


def test_a_rollback_starts_its_sources_image() -> None:
    made = plan(row(9, "rollback", source_deployment_id=4), source=row(4, digest="sha256:4"))
    assert made.release is not None
    assert (made.release.digest, made.release.commit, made.release.port) == ("sha256:4", "c4", 8080)
    assert made.container == "app-3-9"


def test_a_pruned_or_foreign_release_cannot_be_rolled_back_to() -> None:
    asked = row(9, "rollback", source_deployment_id=4)
    with pytest.raises(Conflict, match="pruned"):
        plan(asked, source=row(4, digest="sha256:4", image_gone=True))
    with pytest.raises(NotFound):
        plan(asked, source=row(4, digest="sha256:4", app_id=99))
    with pytest.raises(NotFound):
        plan(asked, source=None)


def test_a_retry_starts_from_the_pushed_image_else_builds_the_same_commit() -> None:
    asked = row(9, "retry", source_deployment_id=4)
    pushed = plan(asked, source=row(4, digest="sha256:4", status="FAILED"))
    assert pushed.release is not None
    assert pushed.release.digest == "sha256:4"
    unbuilt = plan(asked, source=row(4, commit="abc", ref="topic", status="FAILED"))
    assert unbuilt.release is None
    assert unbuilt.ref == "abc"
    unknown = plan(asked, source=row(4, ref="topic", status="FAILED"))
    assert unknown.ref == "topic"


def test_a_start_takes_the_last_release() -> None:
    made = plan(row(9, "start"), app(stopped=True), last=row(6, digest="sha256:6"))
    assert made.release is not None
    assert made.release.digest == "sha256:6"
    with pytest.raises(Conflict, match="no release"):
        plan(row(9, "start"))


def test_a_repair_is_of_the_live_release_or_of_nothing() -> None:
    made = plan(row(9, "repair"), app(live_deployment_id=5), live=row(5, digest="sha256:5"))
    assert (made.release_id, made.container) == (5, "app-3-5")
    assert made.release is not None
    nothing = plan(row(9, "repair"), last=row(5, digest="sha256:5"))
    assert (nothing.release_id, nothing.release) == (9, None)


def test_an_ended_deployment_and_a_deleted_app_have_no_plan() -> None:
    with pytest.raises(Conflict, match="ended"):
        plan(row(9, status="CANCELLED"))
    with pytest.raises(Conflict, match="deleted"):
        plan(row(9), app(deleting=True))


def test_the_last_three_releases_are_kept() -> None:
    rows = [row(n, digest=f"sha256:{n}", status="SUCCEEDED") for n in range(1, 6)]
    rows.append(row(6, digest="sha256:6", status="RUNNING"))
    assert prunable_digests(rows, live_id=6, keep=3) == ["sha256:3", "sha256:2", "sha256:1"]
    assert prunable_digests(rows, live_id=5, keep=3) == ["sha256:2", "sha256:1"]


def test_the_live_release_is_kept_however_old_it_is() -> None:
    rows = [row(n, digest=f"sha256:{n}", status="SUCCEEDED") for n in range(1, 6)]
    assert prunable_digests(rows, live_id=1, keep=3) == ["sha256:3", "sha256:2"]


def test_images_of_failed_deployments_go_with_the_releases_of_their_time() -> None:
    rows = [
        row(1, digest="sha256:1", status="FAILED"),
        row(2, digest="sha256:2", status="SUCCEEDED"),
        row(3, digest="sha256:3", status="FAILED"),
        row(4, digest="sha256:4", status="SUCCEEDED"),
        row(5, digest="sha256:5", status="CANCELLED"),
    ]
    assert prunable_digests(rows, live_id=4, keep=1) == ["sha256:3", "sha256:2", "sha256:1"]


def test_an_app_that_only_fails_leaves_no_more_images_than_a_retry_needs() -> None:
    rows = [row(n, digest=f"sha256:{n}", status="FAILED") for n in range(1, 200)]
    rows.append(row(200, digest="sha256:200", status="RUNNING"))
    pruned = prunable_digests(rows, live_id=None, keep=3)
    assert len(pruned) == 199 - KEPT_FAILURES
    assert not {"sha256:200", "sha256:199", "sha256:198"} & set(pruned)


def test_a_digest_that_a_kept_release_shares_is_kept() -> None:
    rows = [
        row(1, digest="sha256:a", status="SUCCEEDED"),
        row(2, digest="sha256:b", status="SUCCEEDED"),
        row(3, "rollback", digest="sha256:a", status="SUCCEEDED"),
    ]
    assert prunable_digests(rows, live_id=3, keep=1) == ["sha256:b"]


STATUSES = ["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "ROLLED_BACK"]


@given(
    drawn=st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(STATUSES), st.booleans())),
    live=st.integers(0, 8),
    keep=st.integers(1, 4),
)
def test_whatever_is_pruned_is_not_live_and_not_under_way_and_asking_again_says_the_same(
    drawn: list[tuple[str, str, bool]], live: int, keep: int
) -> None:
    rows = [
        row(number, digest=digest, status=status, image_gone=gone)
        for number, (digest, status, gone) in enumerate(drawn, 1)
    ]
    rows_by_id = {found.id: found for found in rows}
    if live in rows_by_id:
        rows_by_id[live].image_gone = False
    pruned = prunable_digests(rows, live, keep)
    assert len(set(pruned)) == len(pruned)
    for found in rows:
        if found.id == live or found.status in ("PENDING", "RUNNING"):
            assert found.digest not in pruned
        if found.digest in pruned:
            found.image_gone = True
    assert prunable_digests(rows, live, keep) == pruned


def test_kinds_are_all_planned() -> None:
    for kind in DeploymentKind:
        source = row(4, digest="sha256:4")
        assert plan(row(9, kind, source_deployment_id=4), source=source, live=source).kind is kind
