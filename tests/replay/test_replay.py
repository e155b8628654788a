"""Every recorded history still replays: a deployment that began before an upgrade goes on after it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.replay.record import plays
from tests.replay.scenarios import OLDER
from workers.control_workflows import WORKFLOWS

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))


def test_what_is_recorded_is_what_is_told() -> None:
    """A story without a history is not replayed, and a history without one cannot be made anew."""
    assert {path.name.partition(".")[0] for path in HISTORIES} == set(plays()) | OLDER
    assert not OLDER & set(plays())


def test_every_workflow_was_recorded() -> None:
    """Names of workflows, not of files: each that a worker of control runs."""
    recorded = set()
    for path in HISTORIES:
        started = json.loads(path.read_text())["events"][0][
            "workflowExecutionStartedEventAttributes"
        ]
        recorded.add(started["workflowType"]["name"])
    assert recorded == {workflow._Definition.must_from_class(one).name for one in WORKFLOWS}


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_replays(path: Path) -> None:
    workflow_id = path.stem.split(".")[1]
    history = WorkflowHistory.from_json(workflow_id, path.read_text())
    await Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter).replay_workflow(
        history
    )
