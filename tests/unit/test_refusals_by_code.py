"""What a person is refused on the page: its code where it is raised, and past each host on the way."""

from __future__ import annotations

import errno
import io
import json
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from temporalio.exceptions import ApplicationError

from activities import beneath, run_plan, run_records
from activities.contracts.base import DeploymentStatus, Stage, StageStatus
from activities.contracts.records import Progress, StageRecord
from activities.contracts.workspace import Run, RunTask
from activities.tree import Tree
from activities.workspace_exec import Done
from activities.workspace_repository import WorkspaceGit, commit_id, message_of
from api.deploy_control import app as deploy_control
from api.deploy_control import documents
from api.entry import data, logs, problems, workspace_node
from api.entry.schemas_deployments import DeploymentOut
from api.workspace_node import archives
from ops.appdata import ListCollections
from ops.db.tables import App, Deployment, DeploymentStage
from ops.error_codes import ErrorCode
from ops.errors import (
    Conflict,
    Invalid,
    NodeUnavailable,
    PlatformError,
    StudioError,
    from_application_error,
    from_problem,
    to_problem,
)
from ops.settings import Settings
from tests.unit.test_error_codes import named, texts
from workflows.failures import lost
from workflows.workspace_run import Runs

SETTINGS = Settings(home=Path("/srv/studio"))
NODE = SETTINGS.node("workspace-87")
ME: Any = SimpleNamespace(id=7)
AT = datetime(2025, 1, 31, 12)
SHOP = App(id=7, user_id=1, name="Shop", slug="shop", created_at=AT)


def filled(error: StudioError) -> ErrorCode:
    """Its code, once its values are seen to fill that code's text."""
    assert error.code is not None
    assert named(texts("en")[error.code]) <= set(error.values)
    return error.code


# --- where it is raised -----------------------------------------------------------------------


def no_script() -> None:
    run_plan.plan(
        Tree(Path(__file__).parents[2] / "ops" / "samples" / "express-api"),
        RunTask.BUILD,
        base_path="/",
        public_url="",
    )


def too_many_runs() -> None:
    with run_records.BusyRuns(0, "workspace-87").starting(7):
        pass


def another_runs() -> None:
    now = SimpleNamespace(run=Run(run_id=1, app_id=7, task=RunTask.DEV))
    try:
        Runs(SimpleNamespace(now=now)).refuse_beside(8, RunTask.BUILD)  # type: ignore[arg-type]
    except ApplicationError as refused:
        raise from_application_error(refused) from None


def linked() -> None:
    with beneath.told(""):
        raise OSError(errno.ELOOP, "link")


def device() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        info = zipfile.ZipInfo("tty")
        info.create_system, info.external_attr = 3, 0o020600 << 16
        archive.writestr(info, "")
    archives.look(made)


@pytest.mark.parametrize(
    ("refuse", "code"),
    [
        (linked, ErrorCode.FILE_IS_LINK),
        (device, ErrorCode.ARCHIVE_NO_FILE),
        (lambda: message_of("a\0b"), ErrorCode.MESSAGE_UNREADABLE),
        (lambda: message_of("x" * 70_000), ErrorCode.MESSAGE_TOO_LONG),
        (lambda: commit_id("main"), ErrorCode.COMMIT_ID_INVALID),
        (no_script, ErrorCode.RUN_NO_SCRIPT),
        (too_many_runs, ErrorCode.RUNS_BUSY),
        (another_runs, ErrorCode.RUN_BESIDE),
        (lambda: documents.collection_name("system.users"), ErrorCode.COLLECTION_RESERVED),
        (lambda: documents.query('{"$where": "1"}'), ErrorCode.OPERATOR_REFUSED),
        (lambda: documents.order('{"price": 2}'), ErrorCode.SORT_DIRECTION),
        (lambda: documents.identity("[1]"), ErrorCode.DOCUMENT_ID_INVALID),
    ],
)
def test_what_is_refused_has_a_code(refuse: Callable[[], object], code: ErrorCode) -> None:
    with pytest.raises(StudioError) as refused:
        refuse()
    assert filled(refused.value) is code


class Git:
    """A workspace in which each command of Git ends like this."""

    def __init__(self, exit_code: int, said: bytes = b"") -> None:
        self._done = Done(exit_code=exit_code, stdout=b"", stderr=said)

    async def run(self, *_: object, **__: object) -> Done:
        return self._done


@pytest.mark.parametrize(
    ("exit_code", "ask", "code"),
    [
        (128, lambda git: git.status(), ErrorCode.GIT_NO_REPOSITORY),
        (124, lambda git: git.status(), ErrorCode.GIT_TOO_SLOW),
        (1, lambda git: git.status(), ErrorCode.GIT_FAILED),
        (1, lambda git: git.pull(), ErrorCode.NO_BRANCH),
        (1, lambda git: git.restore("abcdef1", None), ErrorCode.COMMIT_UNKNOWN),
    ],
)
async def test_what_git_does_not_do_has_a_code(
    exit_code: int, ask: Callable[[Any], Any], code: ErrorCode
) -> None:
    with pytest.raises(StudioError) as refused:
        await ask(WorkspaceGit(Git(exit_code, b"fatal: it is so"), 1, 7))  # type: ignore[arg-type]
    assert filled(refused.value) is code
    assert refused.value.values.get("why", "fatal: it is so") == "fatal: it is so"


# --- past each host on the way ------------------------------------------------------------------

REFUSAL = Conflict("it is closed", code=ErrorCode.FILE_EXISTS, values={"path": "a.txt"})


def served(handler: Any, error: StudioError) -> httpx.AsyncClient:
    """A server that refuses with ``error``, as ``handler`` says it. All hosts but the entry alike."""
    app = FastAPI()
    app.add_exception_handler(StudioError, handler)

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def refuse(path: str) -> None:
        raise error

    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://there")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    async def node_of(*_: object) -> object:
        return NODE

    monkeypatch.setattr(workspace_node, "node_of", node_of)


async def test_a_workspaces_host_hands_its_code_on(here: None) -> None:
    use: Any = SimpleNamespace(workspaces=served(deploy_control._problem, REFUSAL))
    with pytest.raises(Conflict) as refused:
        await workspace_node.asked(use, ME, "/git/push", params={})
    assert (refused.value.code, refused.value.values) == (REFUSAL.code, REFUSAL.values)
    through: Any = await workspace_node.call(use, ME, "GET", "/files")
    body = b"".join([bytes(piece) async for piece in through.body_iterator])
    assert from_problem(json.loads(body)).code is ErrorCode.FILE_EXISTS


async def test_deploy_control_hands_its_code_on() -> None:
    refusal = Invalid("no", code=ErrorCode.COLLECTION_MISSING, values={"name": "notes"})
    use: Any = SimpleNamespace(control=served(deploy_control._problem, refusal))
    answer = await data._ask(use, SHOP, ListCollections())
    told = from_problem(json.loads(bytes(answer.body)))
    assert (answer.status_code, told.code, told.values) == (422, refusal.code, refusal.values)
    away: Any = SimpleNamespace(control=served(deploy_control._problem, NodeUnavailable("no")))
    with pytest.raises(NodeUnavailable) as refused:
        await logs._open(away, "/apps/7/logs")
    assert filled(refused.value) is ErrorCode.LOG_AWAY


@pytest.mark.parametrize(
    ("error", "code", "values"),
    [
        (REFUSAL, "file_exists", {"path": "a.txt"}),
        (
            PlatformError("it answered 500", hint="token=x"),
            "fault_told",
            {"why": "it answered 500"},
        ),
        (
            PlatformError("no", code=ErrorCode.IMPORT_NOT_TAKEN, values={"n": 1}),
            "import_not_taken",
            {"n": 1},
        ),
    ],
)
async def test_the_api_says_a_code(error: StudioError, code: str, values: dict[str, Any]) -> None:
    answer = await served(problems._studio_error, error).get("/")
    assert (answer.json()["code"], answer.json()["values"]) == (code, values)
    assert "token=x" not in answer.text


async def test_what_nobody_foresaw_is_told_as_a_fault() -> None:
    answer: Any = problems._fault()
    assert json.loads(answer.body)["code"] == "fault"
    assert named(texts("en")["fault"]) == set()


def test_a_faults_code_is_kept_where_it_came_from() -> None:
    told = from_problem(to_problem(PlatformError("it answered 500")))
    assert filled(told) is ErrorCode.FAULT_TOLD
    assert told.values == {"why": "it answered 500"}


# --- a stage of a deployment --------------------------------------------------------------------


def test_a_stages_code_comes_out_of_its_record() -> None:
    report = lost(Stage.BUILD, "runner-101")
    stage = StageRecord(
        name=Stage.BUILD,
        status=StageStatus.FAILED,
        started_at=AT,
        error=report.what,
        report=report,
    )
    progress = Progress(
        deployment_id=31, version=2, status=DeploymentStatus.RUNNING, stages=[stage]
    )
    (carried,) = Progress.model_validate_json(progress.model_dump_json()).stages
    assert carried.report is not None
    fixed: dict[str, Any] = {"deployment_id": 31, "status": "FAILED", "started_at": AT}
    rows = [
        DeploymentStage(
            name="build", error=carried.error, report=carried.report.model_dump(), **fixed
        ),
        DeploymentStage(name="clone", error="it failed", **fixed),
    ]
    row = Deployment(
        id=31, app_id=7, user_id=1, kind="deploy", status="RUNNING", created_at=AT, error=None
    )
    clone, build = DeploymentOut.of(SETTINGS, SHOP, row, rows).stages
    assert build.report is not None
    assert (build.error, build.report.code) == ("runner-101 was lost", "runner_lost")
    assert named(texts("en")["runner_lost"]) == set(build.report.values)
    # One that was recorded before there were codes.
    assert (clone.error, clone.report) == ("it failed", None)
