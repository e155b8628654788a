"""The command line without a server: which server is meant, streams, and what is printed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from ops import cli, cli_view
from ops.cli_client import CliError, Event, Memory, Studio, parse_events, problem, server_of
from ops.cli_logs import _releases

DEPLOYMENT: dict[str, Any] = {
    "id": 31,
    "app_id": 7,
    "kind": "deploy",
    "status": "FAILED",
    "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
    "url": "http://shop.apps.localhost:8000/",
    "created_at": "2025-01-31T12:00:00.000Z",
    "live_at": None,
    "removed": [],
    "error": {
        "stage": "build",
        "host": "runner-101",
        "what": "[bold]npm[/bold] \x1b]0;title\x07failed",
        "hint": "look at the log",
        "log_tail": ["\x1b[31mboom\x1b[0m [link=x]"],
    },
    "stages": [
        {
            "name": "build",
            "status": "FAILED",
            "attempt": 2,
            "host": "runner-101",
            "started_at": "2025-01-31T12:00:00.000Z",
            "ended_at": "2025-01-31T12:00:02.100Z",
            "error": "exit code 1",
        }
    ],
}


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Memory:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("STUDIO_URL", raising=False)
    monkeypatch.delenv("STUDIO_TOKEN", raising=False)
    return Memory.load()


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    out = io.StringIO()
    made = Console(file=out, markup=False, emoji=False, highlight=False, width=60)
    monkeypatch.setattr(cli_view, "console", made)
    return out


def test_which_server_is_meant(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    assert server_of(None, memory) == "http://studio.localhost:8000"
    memory.server = "https://studio.example"
    assert server_of(None, memory) == "https://studio.example"
    monkeypatch.setenv("STUDIO_URL", "studio.localhost:9000/")
    assert server_of(None, memory) == "http://studio.localhost:9000"
    assert server_of("https://other.example/x?y", memory) == "https://other.example"
    with pytest.raises(CliError):
        server_of("ftp://x", memory)
    with pytest.raises(CliError):
        server_of("http://x:port", memory)


def test_the_token_is_for_its_owner_only(memory: Memory) -> None:
    memory.accounts["http://a"] = {"email": "e", "token": "t"}
    memory.save()
    memory.save()
    assert memory.path.stat().st_mode & 0o777 == 0o600
    assert Memory.load().accounts["http://a"]["token"] == "t"


def test_local_names_are_reached_on_this_machine() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    Studio("http://studio.localhost:8000", "t", httpx.MockTransport(answer)).get("/api/me")
    Studio("https://studio.example", "t", httpx.MockTransport(answer)).get("/api/me")
    assert str(seen[0].url) == "http://127.0.0.1:8000/api/me"
    assert seen[0].headers["host"] == "studio.localhost:8000"
    assert str(seen[1].url) == "https://studio.example/api/me"
    assert seen[1].headers["host"] == "studio.example"


def test_a_stream_goes_on_after_the_last_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.cli_client.RECONNECT_SECONDS", 0)
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("last-event-id"))
        if len(asked) == 1:
            return httpx.Response(
                200, text='id: 4\nevent: deployment\ndata: {"a": 1}\n\n: ping\n\n'
            )
        if len(asked) == 2:
            return httpx.Response(503)
        return httpx.Response(204)

    api = Studio("http://studio.localhost:8000", "t", httpx.MockTransport(answer))
    assert list(api.follow("/events")) == [Event("deployment", {"a": 1}, "4")]
    assert asked == [None, "4", "4"]


@pytest.mark.parametrize(("method", "tries"), [("GET", 2), ("POST", 1)])
def test_only_reading_outlasts_a_restart(
    monkeypatch: pytest.MonkeyPatch, method: str, tries: int
) -> None:
    monkeypatch.setattr("ops.cli_client.RECONNECT_SECONDS", 0)
    answers = [httpx.Response(503), httpx.Response(200, json=[])]
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.method)
        return answers[len(seen) - 1]

    api = Studio("http://studio.localhost:8000", "t", httpx.MockTransport(answer))
    if tries == 1:
        with pytest.raises(CliError):
            api.call(method, "/api/apps")
    else:
        assert api.call(method, "/api/apps") == []
    assert len(seen) == tries


@given(st.lists(st.text()))
def test_any_stream_is_read_without_an_error(lines: list[str]) -> None:
    list(parse_events(iter(lines)))


def test_problems_are_told_and_not_parsed() -> None:
    told = problem(httpx.Response(409, json={"detail": "busy", "hint": "wait"}))
    assert (told.what, told.hint, told.code) == ("busy", "wait", 1)
    assert problem(httpx.Response(502, text="<html>")).code == 3
    assert problem(httpx.Response(401, json={"detail": "who?"})).hint == "studio login"


def test_who_is_not_signed_in_is_told_how_to() -> None:
    ended = httpx.Response(401, json={"detail": "the session has ended", "hint": "sign in again"})
    assert problem(ended).hint == "studio login"
    transport = httpx.MockTransport(lambda request: ended)
    with pytest.raises(CliError) as told:
        Studio("http://a", "t", transport, sign_in="set STUDIO_TOKEN").get("/api/me")
    assert told.value.hint == "set STUDIO_TOKEN"
    # A wrong password: nobody has to be told to sign in who is just doing so.
    wrong = httpx.Response(401, json={"detail": "email or password is wrong"})
    with pytest.raises(CliError) as told:
        Studio("http://a", None, httpx.MockTransport(lambda request: wrong)).post("/api/auth/login")
    assert told.value.hint == ""


def test_a_command_loads_neither_settings_nor_temporal() -> None:
    """They would double the time that every command takes."""
    look = "import sys, ops.cli; print([m for m in ('ops.settings', 'temporalio') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


def test_a_log_goes_on_with_the_next_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.cli_logs.RECONNECT_SECONDS", 0)
    lives = [1, 2, 2, 2, None]
    connections = [("a", "ended"), ("b", "interrupted"), ("c", "ended"), ("d", "ended")]
    tails: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/logs"):
            return httpx.Response(200, json={"status": "LIVE", "live_deployment": lives.pop(0)})
        if not connections:
            return httpx.Response(409, json={"detail": "the app is not live"})
        tails.append(request.url.params["tail"])
        line, reason = connections.pop(0)
        body = f'event: line\ndata: {{"text": "{line}"}}\n\n'
        return httpx.Response(200, text=body + f'event: end\ndata: {{"reason": "{reason}"}}\n\n')

    api = Studio("http://a", "t", httpx.MockTransport(answer))
    shown: list[str] = []
    with pytest.raises(CliError):
        shown.extend(event.data["text"] for event in _releases(api, 7, 3))
    assert shown == ["a", "b", "c", "d"]
    # All of what is new, and nothing twice where only the connection broke.
    assert tails == ["3", "5000", "0", "5000"]


def test_text_is_never_markup_and_never_controls_the_terminal(printed: io.StringIO) -> None:
    cli_view.outcome(DEPLOYMENT)
    cli_view.log_line("[red]not red[/red] \x1b[2J\x1b]8;;http://evil\x07:smile:")
    shown = printed.getvalue()
    assert "[bold]npm[/bold] failed" in shown
    assert "boom [link=x]" in shown
    assert "[red]not red[/red] :smile:" in shown
    assert "look at the log" in shown
    assert "\x1b" not in shown


def test_into_a_pipe_tabs_stay_tabs(printed: io.StringIO) -> None:
    cli_view.table(["ID", "NAME"], [["1", "shop"]])
    cli_view.log_line("a\tb")
    assert printed.getvalue() == "1\tshop\na\tb\n"


def test_a_timeline_has_a_line_for_each_stage(printed: io.StringIO) -> None:
    cli_view.console.print(cli_view.timeline(DEPLOYMENT))
    assert "✗ build         2.1 s  runner-101  attempt 2" in printed.getvalue()


def test_an_error_is_one_document_with_json(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["studio", "apps", "--json"])
    result = CliRunner().invoke(cli.app, ["apps", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["hint"] == "studio login"


def test_every_command_explains_itself() -> None:
    for name in [*cli._COMMANDS, "env", "ssh-key"]:
        result = CliRunner().invoke(cli.app, [name, "--help"])
        assert result.exit_code == 0, name


def test_commands_that_answer_have_json() -> None:
    silent = {"register", "logout", "sh"}
    for name in cli._COMMANDS:
        help_ = CliRunner().invoke(cli.app, [name, "--help"]).stdout
        assert ("--json" in help_) == (name not in silent), name
