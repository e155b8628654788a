"""What the studio's page says of the trouble map, in both of its languages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from activities.contracts.base import DeploymentStatus, Stage
from activities.contracts.nodes import DownReason, NodeStatus
from activities.contracts.workspace import WorkspaceStatus
from api.entry import doctor, doctor_things
from api.entry.doctor_checks import CHECKS, Finding, Scene, Trouble, refusal
from api.entry.schemas_doctor import HopOut
from api.entry.schemas_workspace import TaskState
from ops.error_codes import ErrorCode
from ops.errors import ErrorReport, NodeUnavailable, PlatformError, StudioError, to_problem
from ops.hop_reasons import TEXTS, HopReason
from ops.stack.programs import CHECKOUT
from ops.stack.studio_page import SOURCE
from ops.troubles import HOPS, LOOK_AT_LOG
from tests.unit.test_error_codes import named

LANGUAGES = ("en", "zh-CN")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def texts(language: str, name: str, block: str) -> dict[str, str]:
    """The texts of one block of a file of messages, by their keys."""
    source = (SOURCE / "src" / "messages" / language / f"{name}.ts").read_text()
    (inside,) = re.findall(rf"^  {block}: {{\n(.*?)^  }}", source, re.MULTILINE | re.DOTALL)
    return dict(re.findall(r'"?([\w-]+)"?: "((?:[^"\\]|\\.)+)"', inside))


def is_said_as(block: str, english: dict[str, str]) -> None:
    """The page's English is the API's own; its Chinese has each of these, and names the same."""
    chinese = texts("zh-CN", "doctor", block)
    assert texts("en", "doctor", block) == english
    assert {key: named(text) for key, text in chinese.items()} == {
        key: named(text) for key, text in english.items()
    }
    assert [text for text in chinese.values() if not CHINESE.search(text)] == []


def test_every_hop_has_its_title_and_its_next_step_in_both_languages() -> None:
    is_said_as("title", {key: hop.title for key, hop in HOPS.items()})
    is_said_as("next", {key: hop.advice for key, hop in HOPS.items() if hop.advice})
    assert [key for key, hop in HOPS.items() if bool(hop.advice) == bool(hop.log)] == []


def test_a_log_is_named_in_both_languages() -> None:
    for language in LANGUAGES:
        source = (SOURCE / "src" / "messages" / language / "doctor.ts").read_text()
        (said,) = re.findall(r'^  log: "(.+)",$', source, re.MULTILINE)
        assert "$STUDIO_HOME/logs/{program}.log" in said
        assert said == LOOK_AT_LOG or CHINESE.search(said)


def test_every_reason_is_said_in_both_languages() -> None:
    is_said_as("reason", {code.value: TEXTS[code] for code in HopReason})


def test_a_code_is_a_reason_or_an_error() -> None:
    assert {code.value for code in HopReason} & {code.value for code in ErrorCode} == set()


def findings() -> Iterator[tuple[HopReason, set[str]]]:
    """Each place that finds something, with the names of its values."""
    for path in (CHECKOUT / "api" / "entry").glob("doctor*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Name(id="found"),
                    args=[ast.Attribute(value=ast.Name(id="HopReason"), attr=name)],
                ):
                    yield HopReason[name], {str(one.arg) for one in node.keywords}


def test_what_a_reason_names_comes_with_it() -> None:
    assert {code for code, _ in findings()} == set(HopReason)
    assert [(code, names) for code, names in findings() if named(TEXTS[code]) - names] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_states_that_administrators_see_have_their_words(language: str) -> None:
    states = {*NodeStatus, *WorkspaceStatus, *TaskState, *DeploymentStatus}
    assert states <= set(texts(language, "common", "status"))
    assert set(Stage) <= set(texts(language, "deploy", "stage"))


def test_why_a_host_is_down_is_said_in_both_languages() -> None:
    english, chinese = (texts(language, "admin", "down") for language in LANGUAGES)
    assert english == {DownReason.code(reason): reason.value for reason in DownReason}
    assert set(chinese) == set(english)
    assert DownReason.code("in words of another version") is None


async def looked_at(monkeypatch: pytest.MonkeyPatch, error: Exception) -> HopOut:
    async def fails(scene: Scene) -> Finding:
        raise error

    monkeypatch.setitem(CHECKS, "mongo", fails)
    (hop,) = await doctor.examine(Scene(use=None), ["mongo"])  # type: ignore[arg-type]
    return hop


async def test_an_error_keeps_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"node": "runtime-102", "why": "ConnectError"}
    error = NodeUnavailable("it is away", code=ErrorCode.AGENT_AWAY, values=values)
    hop = await looked_at(monkeypatch, error)
    assert (hop.reason, hop.code, hop.values) == ("it is away", ErrorCode.AGENT_AWAY, values)
    assert (hop.next_step, hop.log) == (LOOK_AT_LOG.format(program="mongo"), "mongo")
    hop = await looked_at(monkeypatch, PlatformError("it said no"))
    assert (hop.reason, hop.code, hop.values) == ("it said no", "told", {"why": "it said no"})


def test_what_control_refuses_keeps_its_code() -> None:
    away = NodeUnavailable("x", code=ErrorCode.AGENT_AWAY, values={"node": "n", "why": "w"})
    told = refusal(httpx.Response(503, json=to_problem(away)))
    assert isinstance(told, StudioError)
    assert told.code is ErrorCode.AGENT_AWAY
    other = refusal(httpx.Response(502, text="<html>"))
    assert isinstance(other, Trouble)
    assert other.finding.reason == "it answers 502"


@pytest.mark.parametrize(
    ("recorded", "reason"),
    [
        ({"what": "it ended"}, "deployment 31 is FAILED: it ended"),
        ({"what": "it ended", "stage": "build"}, "deployment 31 is FAILED at build: it ended"),
    ],
)
def test_a_deployments_failure_comes_with_its_own_code(
    recorded: dict[str, Any], reason: str
) -> None:
    report = ErrorReport.model_validate(recorded | {"code": "build_failed"})
    finding = doctor_things.failed(31, "FAILED", report)
    assert finding.reason == reason
    assert finding.report == report
