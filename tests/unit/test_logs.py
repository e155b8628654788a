"""Logs hold no secret, whatever wrote them, and carry the ids of what they are about."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from api.entry.events import written
from api.entry.schemas_deployments import LogLine
from ops.errors import ErrorReport
from ops.logs import MASK, redact
from ops.names import ids_in
from workflows import ids

ROOT = Path(__file__).parents[2]


def test_secrets_are_masked_by_type_by_key_and_inside_urls() -> None:
    event = {
        "event": "connecting to mongodb://db_1:hunter2@172.28.255.1:27017/db_1",
        "password": "a",
        "headers": {"Authorization": "Bearer x", "Accept": "*/*"},
        "items": [SecretStr("b"), "plain", {"api_key": "c"}],
        "value": SecretStr("d"),
        "tokens_left": 3,
        "token": None,
        "deployment_id": 7,
    }
    assert redact(None, "info", event) == {
        "event": f"connecting to mongodb://db_1:{MASK}@172.28.255.1:27017/db_1",
        "password": MASK,
        "headers": {"Authorization": MASK, "Accept": "*/*"},
        "items": [MASK, "plain", {"api_key": MASK}],
        "value": MASK,
        "tokens_left": MASK,
        "token": None,
        "deployment_id": 7,
    }


@pytest.mark.parametrize(
    ("workflow_id", "found"),
    [
        (ids.deployment_workflow(7), {"deployment_id": 7}),
        (ids.deploy_workflow(3), {"app_id": 3}),
        (ids.delete_app_workflow(3), {"app_id": 3}),
        (ids.workspace_workflow(2), {"user_id": 2}),
        (ids.node_workflow("runtime-102-2"), {"node_id": "runtime-102-2"}),
        ("somebody-elses-4", {}),
        ("None", {}),
        ("", {}),
    ],
)
def test_a_workflows_id_names_what_it_is_about(
    workflow_id: str, found: dict[str, int | str]
) -> None:
    assert ids_in(workflow_id) == found


PROCESS = """
import logging, warnings
import structlog
from ops.logs import setup_logging
from ops.settings import Settings
setup_logging(Settings(), "control")
structlog.get_logger().info("begun", deployment_id=7)
logging.getLogger("library").warning("it says %s", "so")
warnings.warn("old", DeprecationWarning)
raise OSError("the end")
"""


def test_all_that_a_process_says_is_json() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "always", "-c", PROCESS], cwd=ROOT, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert ended.stderr == ""
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    told = [(line["event"].splitlines()[0], line["level"]) for line in lines]
    assert told[:2] == [("begun", "info"), ("it says so", "warning")]
    assert "DeprecationWarning: old" in told[2][0]
    assert told[3] == ("ended by an error", "critical")
    assert "OSError: the end" in lines[3]["exception"]
    assert {line["process"] for line in lines} == {"control"}


def test_what_an_error_says_has_no_control_bytes() -> None:
    report = ErrorReport(
        what="\x1b[31mboom\x1b[0m\x1b]0;title\x07\nsecond\x00 line", hint="\x9b2Jtry\u202e again"
    )
    assert (report.what, report.hint) == ("boom\nsecond line", "try again")


def test_a_text_for_an_editor_has_no_colours() -> None:
    line = LogLine(n=7, text="\x1b[1;31mred\x1b[0m and plain")
    assert written(line, "text") == "red and plain\n"
    assert LogLine.model_validate_json(written(line, "json")) == line
