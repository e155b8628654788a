"""Why a deployment or an import failed: its code, all the way into the record and out of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError, TimeoutType
from temporalio.testing import ActivityEnvironment

from activities import health, import_spec, manifest, placement
from activities.contracts.base import DeploymentStatus, Stage
from activities.contracts.imports import ImportEnd
from activities.contracts.nodes import NodeRole
from activities.contracts.records import Progress
from activities.contracts.runtime import HealthInput, SoakInput
from activities.import_records import import_columns
from api.entry.schemas import AppOut
from api.entry.schemas_deployments import DeploymentOut
from ops.db.tables import App, Deployment
from ops.error_codes import ErrorCode
from ops.errors import (
    ErrorReport,
    Invalid,
    NodeUnavailable,
    PlatformError,
    SourceError,
    StudioError,
    from_application_error,
    to_application_error,
)
from ops.settings import Settings
from tests.unit.test_error_codes import named, texts
from workflows.failures import refusal, report_of

SETTINGS = Settings(home=Path("/srv/studio"))
AT = datetime(2025, 1, 31, 12)
TOO_LARGE = Invalid(
    "it is larger than 5 MB", code=ErrorCode.IMPORT_TOO_LARGE, values={"limit": 5}, hint="push it"
)


def failed(cause: Exception) -> ActivityError:
    """As a workflow sees it."""
    error = ActivityError(
        "failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="worker",
        activity_type="import_repository",
        activity_id="1",
        retry_state=None,
    )
    error.__cause__ = cause
    return error


def app(**values: Any) -> App:
    return App(id=7, user_id=1, name="Shop", slug="shop", created_at=AT, **values)


def deployment(error: dict[str, Any] | None) -> DeploymentOut:
    row = Deployment(
        id=31, app_id=7, user_id=1, kind="deploy", status="FAILED", created_at=AT, error=error
    )
    return DeploymentOut.of(SETTINGS, app(), row, [])


def told(error: StudioError | ErrorReport) -> ErrorCode:
    """Its code, once its values are seen to fill that code's text."""
    assert error.code is not None
    assert named(texts("en")[error.code]) <= set(error.values)
    return ErrorCode(error.code)


# --- from where it is raised to who reads it ------------------------------------------------


def test_a_deployments_code_comes_out_of_its_record() -> None:
    report = report_of(failed(to_application_error(TOO_LARGE)), Stage.CLONE, "runner-101")
    progress = Progress(
        deployment_id=31, version=2, status=DeploymentStatus.FAILED, stages=[], error=report
    )
    carried = Progress.model_validate_json(progress.model_dump_json())
    assert carried.error is not None
    found = deployment(carried.error.model_dump(mode="json")).error
    assert found is not None
    assert (found.stage, found.host) == ("clone", "runner-101")
    assert (told(found), found.values) == (ErrorCode.IMPORT_TOO_LARGE, {"limit": 5})


def test_an_imports_code_comes_out_of_its_record() -> None:
    report = report_of(failed(to_application_error(TOO_LARGE)), None, "workspace-87")
    end = ImportEnd.model_validate_json(ImportEnd.failed(7, report).model_dump_json())
    given = AppOut.of(SETTINGS, app(**import_columns(end.error, end.report)), False, None)
    assert given.import_error == "it is larger than 5 MB: push it"
    assert given.import_report is not None
    assert told(given.import_report) is ErrorCode.IMPORT_TOO_LARGE
    assert given.import_report.values == {"limit": 5}


def test_what_was_recorded_before_there_were_codes_is_still_read() -> None:
    found = deployment({"stage": "build", "host": None, "what": "it failed", "hint": ""}).error
    assert found is not None
    assert (found.what, found.code, found.values) == ("it failed", None, {})
    end = ImportEnd.model_validate({"app_id": 7, "error": "it failed"})
    given = AppOut.of(SETTINGS, app(**import_columns(end.error, end.report)), False, None)
    assert (given.import_error, given.import_report) == ("it failed", None)
    old = ApplicationError("no", {"what": "no", "hint": "", "log_tail": []}, type="BuildFailed")
    assert report_of(failed(old), Stage.BUILD, None).code is None


def test_an_import_that_is_there_has_no_reason() -> None:
    row = app(**import_columns(None, None))
    assert (row.import_state, row.import_error, row.import_report) == ("DONE", None, None)


# --- codes that come out of a table ---------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "host", "code"),
    [
        (TimeoutType.SCHEDULE_TO_START, "runner-101", ErrorCode.HOST_TAKES_NOTHING),
        (TimeoutType.HEARTBEAT, "runner-101", ErrorCode.HOST_SILENT),
        (TimeoutType.START_TO_CLOSE, "runner-101", ErrorCode.HOST_LATE),
        (TimeoutType.START_TO_CLOSE, None, ErrorCode.CONTROL_AWAY),
    ],
)
def test_a_host_that_is_gone_is_told(kind: TimeoutType, host: str | None, code: ErrorCode) -> None:
    error = failed(TimeoutError("late", type=kind, last_heartbeat_details=[]))
    report = report_of(error, Stage.BUILD, host)
    assert (told(report), report.host) == (code, host)
    assert report.what.startswith(host or "the control host")
    refused = from_application_error(refusal(error, host))
    assert (type(refused), refused.what, refused.code) == (NodeUnavailable, report.what, code)


def test_what_is_not_known_has_no_code() -> None:
    error = failed(ValueError("odd"))
    assert report_of(error, Stage.BUILD, None).code is None
    assert isinstance(from_application_error(refusal(error, None)), PlatformError)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("port =", ErrorCode.MANIFEST_UNREADABLE),
        ("prot = 3000", ErrorCode.MANIFEST_UNKNOWN_KEY),
        ("port = 80", ErrorCode.MANIFEST_PORT),
        ('port = "3000"', ErrorCode.MANIFEST_PORT),
        ('health_path = "up"', ErrorCode.MANIFEST_HEALTH_PATH),
        ('command = ""', ErrorCode.MANIFEST_ONE_LINE),
        ("command = 3", ErrorCode.MANIFEST_INVALID),
        ('[build_args]\n"1st" = "x"', ErrorCode.MANIFEST_BUILD_ARG),
        ('[build_args]\nBASE_PATH = "x"', ErrorCode.MANIFEST_RESERVED_ARG),
        ('[build_args]\nFLAVOUR = "a\\nb"', ErrorCode.MANIFEST_ONE_LINE),
    ],
)
def test_what_is_wrong_in_studio_toml(text: str, code: ErrorCode) -> None:
    with pytest.raises(SourceError) as refused:
        manifest.parse(text)
    assert told(refused.value) is code


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (
            "fatal: could not read Username for 'https://x': terminal prompts disabled",
            ErrorCode.IMPORT_NOT_PUBLIC,
        ),
        ("", ErrorCode.IMPORT_NOT_PUBLIC),
        ("fatal: repository 'https://x/none.git/' not found", ErrorCode.IMPORT_MISSING),
        (
            "fatal: unable to access 'https://x/': Failed to connect to x port 443 after 2 ms",
            ErrorCode.IMPORT_UNREACHABLE,
        ),
        (
            "fatal: unable to access 'https://x/': The requested URL returned error: 500",
            ErrorCode.IMPORT_REFUSED,
        ),
    ],
)
def test_why_a_repository_was_not_fetched(line: str, code: ErrorCode) -> None:
    error = import_spec.explained(SETTINGS, import_spec.FETCH, ["remote: hello", line])
    assert told(error) is code
    assert error.what == "the repository could not be fetched"
    assert error.hint == (line or "is it public?")


def test_a_placement_that_is_not_possible() -> None:
    up = placement.Candidate("runtime-102", up=True, draining=False, disk_free=1, apps=0)
    for nodes, sticky, role, code in (
        ([], "runtime-102", NodeRole.RUNTIME, ErrorCode.APP_AWAY),
        ([], "workspace-87", NodeRole.WORKSPACE, ErrorCode.WORKSPACE_AWAY),
        ([], None, NodeRole.RUNTIME, ErrorCode.NO_HOST_UP),
        ([up], None, NodeRole.RUNTIME, ErrorCode.NO_HOST_ROOMY),
    ):
        with pytest.raises(NodeUnavailable) as refused:
            placement.choose(nodes, sticky, 2, role=role)
        assert told(refused.value) is code


# --- health ---------------------------------------------------------------------------------


class RunsHere:
    """Containers of which each is this very process."""

    def inspect(self, container: str) -> dict[str, Any]:
        return {"State": {"Running": True, "Pid": os.getpid()}}

    def log_tail(self, container: str) -> list[str]:
        return ["listening"]

    @asynccontextmanager
    async def ended(self, container: str) -> AsyncIterator[asyncio.Event]:
        yield asyncio.Event()


@asynccontextmanager
async def answering(answer: bytes | None) -> AsyncIterator[HealthInput]:
    """An app that answers with these bytes, and never with None."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        if answer is None:
            await asyncio.sleep(1)
        writer.write(answer or b"")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield HealthInput(
            container="app-7-31", host="shop", address="127.0.0.1", port=port, path="/up", seconds=1
        )


@pytest.mark.parametrize(
    ("answer", "before", "after"),
    [
        (
            b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
            ErrorCode.APP_ANSWERS_WRONGLY,
            ErrorCode.APP_ANSWERED_WRONGLY,
        ),
        (None, ErrorCode.APP_ANSWERS_SLOWLY, ErrorCode.APP_ANSWERED_SLOWLY),
        (b"", ErrorCode.APP_UNHEALTHY, ErrorCode.APP_STOPPED_ANSWERING),
    ],
)
async def test_an_app_that_does_not_answer_well(
    monkeypatch: pytest.MonkeyPatch, answer: bytes | None, before: ErrorCode, after: ErrorCode
) -> None:
    if answer is None:
        # Only where none comes: on a busy machine an answer takes longer than this too.
        monkeypatch.setattr(health, "ATTEMPT_SECONDS", 0.05)
    async with answering(answer) as given:
        assert await reasons(given) == (before, after)


async def test_an_app_that_listens_where_nobody_reaches_it() -> None:
    async with answering(b"") as given:
        elsewhere = given.model_copy(update={"address": "127.0.0.9"})
        assert await reasons(elsewhere) == (
            ErrorCode.APP_LISTENS_INSIDE,
            ErrorCode.APP_STOPPED_LISTENING,
        )
        other = given.model_copy(update={"port": 1})
        assert (await reasons(other))[0] is ErrorCode.APP_LISTENS_ELSEWHERE


async def reasons(given: HealthInput) -> tuple[ErrorCode, ErrorCode]:
    """What it is called when it never was healthy, and when it was once."""
    checks = health.Health(SETTINGS, RunsHere(), SimpleNamespace())  # type: ignore[arg-type]
    environment = ActivityEnvironment()
    first = given.model_copy(update={"seconds": 0.1})
    # It ends as soon as it is wrong: on a busy machine three answers take their time.
    patient = given.model_copy(update={"seconds": 20.0})
    later = SoakInput(app_id=7, slug="shop", check=patient, back=None)
    codes = []
    for call in (
        environment.run(checks.check_health, first),
        environment.run(checks.soak, later),
    ):
        with pytest.raises(ApplicationError) as failure:
            await call
        codes.append(told(from_application_error(failure.value)))
    return codes[0], codes[1]
