"""What the API takes, gives and decides from records, without a server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from activities.contracts.base import DeploymentKind, DeploymentStatus
from api.entry.internal import upstream
from api.entry.publishing import from_release
from api.entry.schemas import AppOut, AppStatus, EnvValue, NewApp
from api.entry.schemas_deployments import DeploymentOut, NewDeployment
from ops import samples
from ops.db.tables import App, Deployment, DeploymentStage
from ops.settings import Settings
from ops.validation import is_slug

SETTINGS = Settings()
AT = datetime(2025, 1, 31, 12, 0, 0, 123456)


def app(**values: Any) -> App:
    fixed: dict[str, Any] = {
        "id": 7,
        "user_id": 1,
        "name": "Shop",
        "slug": "shop",
        "created_at": AT,
    }
    return App(**fixed | values)


@pytest.mark.parametrize(
    ("row", "busy", "last", "status"),
    [
        ({}, False, None, AppStatus.NEW),
        ({}, True, None, AppStatus.DEPLOYING),
        ({}, False, DeploymentStatus.FAILED, AppStatus.FAILED),
        ({}, False, DeploymentStatus.ROLLED_BACK, AppStatus.FAILED),
        ({}, False, DeploymentStatus.CANCELLED, AppStatus.NEW),
        ({"live_deployment_id": 3}, False, DeploymentStatus.FAILED, AppStatus.LIVE),
        ({"live_deployment_id": 3}, True, None, AppStatus.DEPLOYING),
        ({"stopped": True}, False, DeploymentStatus.SUCCEEDED, AppStatus.STOPPED),
        ({"stopped": True}, True, None, AppStatus.DEPLOYING),
        ({"deleting": True, "live_deployment_id": 3}, True, None, AppStatus.DELETING),
    ],
)
def test_status_of_an_app(
    row: dict[str, Any], busy: bool, last: DeploymentStatus | None, status: AppStatus
) -> None:
    assert AppStatus.of(app(**row), busy, last) is status


def test_an_app_names_its_addresses() -> None:
    given = AppOut.of(SETTINGS, app(), busy=False, last=None)
    assert given.url == "http://shop.apps.localhost:8000/"
    assert given.repo_ssh_url == "ssh://git@127.0.0.1:2222/studio/u1-app7.git"
    assert '"created_at":"2025-01-31T12:00:00.123Z"' in given.model_dump_json()


def test_a_deployment_shows_its_stages_in_order_and_its_image() -> None:
    row = Deployment(
        id=31,
        app_id=7,
        user_id=1,
        kind=DeploymentKind.DEPLOY,
        status=DeploymentStatus.SUCCEEDED,
        repository="u1-app7",
        digest="sha256:ab",
        created_at=AT,
    )
    stages = [
        DeploymentStage(deployment_id=31, name=name, status="SUCCEEDED", started_at=AT)
        for name in ("soak", "place", "build")
    ]
    shown = DeploymentOut.of(SETTINGS, app(), row, stages)
    assert [stage.name for stage in shown.stages] == ["place", "build", "soak"]
    assert shown.image == "apps/u1-app7@sha256:ab"
    assert shown.can_roll_back
    row.image_gone = True
    assert not DeploymentOut.of(SETTINGS, app(), row, []).can_roll_back


def test_a_release_is_copied_only_with_an_image_that_is_kept() -> None:
    source = Deployment(
        id=3, app_id=7, user_id=1, kind="deploy", ref="v1", commit="c0", repository="r", digest="d"
    )
    copy = from_release(app(), DeploymentKind.ROLLBACK, source)
    assert (copy.source_deployment_id, copy.ref, copy.commit, copy.digest) == (3, "v1", "c0", "d")
    source.image_gone = True
    assert from_release(app(), DeploymentKind.RETRY, source).digest is None


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "x" * 300},
        {"name": "a", "git_url": "http://example.org/x.git"},
        {"name": "a", "git_url": "https://example.org/x.git", "template": "static"},
        {"name": None},
        {},
    ],
)
def test_apps_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NewApp.model_validate(body)


@pytest.mark.parametrize("ref", ["--upload-pack=x", "", "a..b", 7])
def test_refs_refused(ref: object) -> None:
    with pytest.raises(ValidationError):
        NewDeployment.model_validate({"ref": ref})


@given(st.text())
def test_what_is_refused_is_never_an_unexpected_error(text: str) -> None:
    for model, field in ((NewApp, "name"), (NewDeployment, "ref"), (EnvValue, "key")):
        try:
            model.model_validate({field: text})
        except ValidationError:
            continue


def test_nginx_groups_are_named_without_dashes() -> None:
    assert upstream("runtime-102-2") == "node_runtime_102_2"


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_templates_are_whole(name: str) -> None:
    files = samples.files(name)
    assert is_slug(name)
    assert files
    assert "node_modules" not in " ".join(files)
    if "package.json" in files:
        assert b'"resolved"' not in files["package-lock.json"]
