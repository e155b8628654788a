"""The command line without a server: which server is meant, streams, and what is printed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from ops import cli, cli_account, cli_common, cli_create, cli_view
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


def test_every_command_but_the_shell_has_json() -> None:
    found = dict(leaves(typer.main.get_command(cli.app)))
    assert {"sh", "env set", "ssh-key remove", "admin reset-password", "bench page"} <= found.keys()
    assert [name for name, options in found.items() if "--json" not in options] == ["sh"]


def leaves(command: Any, *before: str) -> Iterator[tuple[str, set[str]]]:
    """Each command with its options, also those within groups."""
    for name, one in getattr(command, "commands", {}).items():
        yield from leaves(one, *before, name)
    if not hasattr(command, "commands"):
        yield " ".join(before), {option for given in command.params for option in given.opts}


@pytest.fixture
def asked(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Any]]:
    """What a server was asked that says yes to everything; Ada is signed in to it."""
    seen: list[tuple[str, str, Any]] = []
    me = {"email": "ada@example.org"}

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        seen.append((request.method, request.url.path, body))
        return httpx.Response(200, json=me | {"token": "t"})

    made = partial(Studio, transport=httpx.MockTransport(answer))
    for module in (cli_account, cli_common):
        monkeypatch.setattr(module, "Studio", made)
    memory.accounts["http://studio.localhost:8000"] = me | {"token": "t"}
    memory.save()
    return seen


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("register", "--email", "ada@example.org", "--password-stdin"), "email"),
        (("password", "--password-stdin"), "changed"),
        (("ssh-key", "remove", "3"), "removed"),
        (("token", "remove", "3"), "removed"),
        (("logout",), "session_ended"),
    ],
)
def test_what_only_does_something_says_so_in_json(
    asked: list[tuple[str, str, Any]], words: tuple[str, ...], said: str
) -> None:
    result = CliRunner().invoke(cli.app, [*words, "--json"], input="one password\nanother one\n")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)[said]
    assert asked


def test_passwords_come_from_standard_input_in_their_order(
    asked: list[tuple[str, str, Any]],
) -> None:
    given = "the one of now\nthe new one, with a space \n"
    result = CliRunner().invoke(cli.app, ["password", "--password-stdin"], input=given)
    assert result.exit_code == 0, result.output
    body = {"current": "the one of now", "new": "the new one, with a space "}
    assert asked == [("POST", "/api/auth/password", body)]
    # Without a terminal there is nobody to ask.
    refused = CliRunner().invoke(cli.app, ["password"])
    assert refused.exit_code == 1
    assert len(asked) == 1


def test_an_import_that_failed_may_be_tried_again() -> None:
    answer = {"id": 7, "slug": "shop", "importing": False, "import_error": "it is empty"}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
    api = Studio("http://a", "t", transport)
    with pytest.raises(CliError) as told:
        cli_create._imported(api, {"id": 7, "importing": True})
    assert told.value.what == "shop: it is empty"
    assert "studio import shop tries again" in told.value.hint


def test_root_alone_changes_other_peoples_accounts(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(settings: object, name: str) -> None:
        raise PermissionError(13, "Permission denied", f"/secrets/{name}")

    monkeypatch.setattr("ops.db.session.read_secret", refused)
    monkeypatch.setattr("sys.argv", ["studio", "admin", "list", "--json"])
    result = CliRunner().invoke(cli.app, ["admin", "list", "--json"])
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told == {"error": "/secrets/mysql-studio is for root alone", "hint": "run this as root"}
