"""Previews: what nginx passes on, where a browser is sent, and how a workspace's state is named."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.contracts.workspace import Run, RunState, RunTask, WorkspaceStatus
from api.entry import previews
from api.entry.guests import Leave, leave_in
from api.entry.schemas_workspace import RunOut, TaskState, WorkspaceState
from api.entry.share_links import shows
from ops.db.tables import NodeRow, ShareLink, Workspace, now
from ops.error_codes import ErrorCode
from ops.errors import SourceError
from ops.settings import Settings
from ops.stack import nginx, workspace_files
from tests.support.nginx_map import NginxMap

SECURE = Settings(
    scheme="https",
    studio_host="studio.example.com",
    apps_domain="apps.example.net",
    workspaces_domain="ws.example.org",
)


def entry_map(variable: str) -> NginxMap:
    return NginxMap(nginx.nginx_config(Settings()), variable)


def without_pass(header: str) -> str:
    """What is left of a Cookie header for the app that is previewed."""
    ((cut, _),) = entry_map("studio_cut_cookies").rules
    first = cut.match(header)
    rest = (first["front"] or "") + (first["back"] or "") if first else header
    return "" if re.search("studio_preview", rest, re.IGNORECASE) else rest


@given(st.lists(st.sampled_from(["a=1", "studio_preview=SECRET", "__Host-studio_preview=SECRET"])))
def test_what_opens_a_preview_never_reaches_it(parts: list[str]) -> None:
    assert "SECRET" not in without_pass("; ".join(parts))


def test_other_cookies_reach_it() -> None:
    assert without_pass("a=1; studio_preview=x; b=2") == "a=1; b=2"
    assert without_pass("a=1") == "a=1"


@pytest.mark.parametrize(
    ("header", "seen"),
    [
        ("a=1; studio_preview=abc-_9; b=2", "abc-_9"),
        ("studio_preview=abc", "abc"),
        ("x_studio_preview=abc", None),
        ("studio_preview=a b", None),
        ('studio_preview="abc"', None),
        ("studio_preview=", None),
    ],
)
def test_only_a_whole_pass_is_taken(header: str, seen: str | None) -> None:
    ((pattern, _),) = entry_map("studio_preview_pass").rules
    found = pattern.search(header)
    assert (found["pass"] if found else None) == seen


@pytest.mark.parametrize("header", ["Bearer st_x", "bearer  st_x", " BEARER st_x"])
def test_a_token_of_the_studio_never_reaches_a_preview(header: str) -> None:
    passed_on = entry_map("studio_own_authorization")
    assert passed_on[header] == ""
    assert passed_on["Basic c3Q6c3RfeA=="] == "$http_authorization"


OWN = "http://u1.ws.localhost:8000"


@pytest.mark.parametrize(
    ("site", "mode", "method", "origin", "does"),
    [
        ("same-origin", "cors", "POST", OWN, ""),
        # A page that names no referrer names no origin either when it posts a form.
        ("same-origin", "navigate", "POST", "null", ""),
        ("none", "navigate", "GET", "", ""),
        ("cross-site", "navigate", "GET", "", "leads"),
        ("same-site", "navigate", "GET", "", "leads"),
        ("same-site", "no-cors", "GET", "", "asks"),
        ("cross-site", "no-cors", "GET", "", "asks"),
        ("same-site", "cors", "GET", "http://u2.ws.localhost:8000", "asks"),
        ("same-site", "navigate", "POST", "http://u2.ws.localhost:8000", "asks"),
        ("cross-site", "navigate", "POST", "null", "asks"),
        ("", "", "GET", "", ""),
        ("", "", "GET", OWN, ""),
        ("", "", "GET", OWN.upper(), ""),
        ("", "", "GET", "http://u2.ws.localhost:8000", "asks"),
        ("", "", "GET", "http://u1.ws.localhost:80001", "asks"),
        ("", "", "GET", "null", "asks"),
    ],
)
def test_a_preview_answers_its_own_pages(
    site: str, mode: str, method: str, origin: str, does: str
) -> None:
    asked = f"{site} {mode} {method} {origin} {OWN}"
    assert entry_map("studio_other_page")[asked] == does
    assert "if ($studio_other_page = asks) {" in nginx.nginx_config(Settings())


@pytest.mark.parametrize("settings", [Settings(), SECURE, Settings(routing="path")])
def test_every_preview_names_its_own_slot(settings: Settings) -> None:
    text = nginx.nginx_config(settings)
    sent = [line.strip() for line in text.splitlines() if "X-Studio-Slot" in line]
    assert set(sent) == {"proxy_set_header X-Studio-Slot $studio_slot;"}
    assert len(sent) == (1 if settings.routing == "path" else 3)


@pytest.mark.parametrize("settings", [Settings(), SECURE, Settings(routing="path")])
def test_a_guest_is_who_the_entry_says_and_nobody_else(settings: Settings) -> None:
    text = nginx.nginx_config(settings)
    slots = text.count("proxy_set_header X-Studio-Slot $studio_slot;")
    guests = text.count("proxy_set_header X-Studio-Guest $studio_guest;")
    no_guests = text.count('proxy_set_header X-Studio-Guest "";')
    assert (guests + no_guests, no_guests) == (slots, 0 if settings.routing == "path" else 1)
    assert text.count('proxy_set_header X-Studio-Pass "";') == guests
    assert text.count("proxy_set_header X-Studio-Pass $studio_pass;") == no_guests
    gateway = workspace_files.gateway_config(settings, settings.node("workspace-87"))
    for name in ("Slot", "Guest", "Pass"):
        assert f'proxy_set_header X-Studio-{name} "";' in gateway


@pytest.mark.parametrize(
    ("head", "leave"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Studio-Guest: 7\r\n\r\n", Leave("link", 7)),
        (b"GET / HTTP/1.1\r\nx-studio-guest:7\r\n\r\n", Leave("link", 7)),
        (b"GET / HTTP/1.1\r\nX-Studio-Pass: 7\r\n\r\n", Leave("pass", 7)),
        (b"GET / HTTP/1.1\r\nX-Studio-Guest: \r\nX-Studio-Pass: 7\r\n\r\n", Leave("pass", 7)),
        (b"GET / HTTP/1.1\r\nX-Studio-Guest: 7\r\nX-Studio-Pass: 7\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nX-Studio-Guest: 7\r\nX-Studio-Guest: 8\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nX-Studio-Guest: 7 8\r\n\r\n", None),
        (b"GET /X-Studio-Guest: 7 HTTP/1.1\r\nHost: X-Studio-Guest: 7\r\n\r\n", None),
    ],
)
def test_what_lets_a_guest_in(head: bytes, leave: Leave | None) -> None:
    assert leave_in(head) == leave


def served(app_id: int, state: RunState, task: RunTask = RunTask.DEV) -> Workspace:
    run = Run(run_id=1, app_id=app_id, task=task, state=state)
    return Workspace(user_id=1, status=WorkspaceStatus.OPEN, run=run.model_dump(mode="json"))


def test_a_link_shows_its_own_app_while_that_serves() -> None:
    link = ShareLink(id=1, user_id=1, app_id=7, hash="", expires_at=now())
    running = served(7, RunState.RUNNING)
    assert shows(link, running)
    assert not shows(link, served(8, RunState.RUNNING))
    assert not shows(link, served(7, RunState.STOPPED))
    assert not shows(link, served(7, RunState.RUNNING, RunTask.INSTALL))
    running.status = WorkspaceStatus.STOPPING
    assert not shows(link, running)
    assert not shows(link, Workspace(user_id=1, status=WorkspaceStatus.OPEN))


def test_the_cookie_is_of_the_previews_origin_alone() -> None:
    made = previews.set_cookie(SECURE, 7, "x")
    assert made.startswith("__Host-studio_preview=x; ")
    for part in ("HttpOnly", "Secure", "SameSite=None", "Partitioned", "Path=/;"):
        assert part in made
    assert "Domain" not in made
    by_path = previews.set_cookie(Settings(routing="path"), 7, "x")
    assert "Path=/ws/7/;" in by_path
    assert "SameSite=Lax" in by_path


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/a\r\nSet-Cookie: x",
        "",
        "/a b",
    ],
)
def test_a_ticket_leads_nowhere_else(to: str) -> None:
    assert previews.landing(Settings(), 7, to) == "/"


@given(st.text())
def test_whatever_is_asked_for_one_lands_in_the_preview(to: str) -> None:
    for settings in (Settings(), Settings(routing="path")):
        base = settings.preview_base_path(7)
        found = previews.landing(settings, 7, to)
        assert found.startswith(base)
        assert not found.startswith("//")
        assert found.isprintable()


def test_a_deep_link_is_kept() -> None:
    assert previews.landing(Settings(), 7, "/a/b?c=1&d=%20") == "/a/b?c=1&d=%20"
    assert previews.landing(Settings(routing="path"), 7, "/a") == "/ws/7/a"
    url = previews.enter_url(Settings(), 7, "t", "/a?b=1&c=2")
    assert url == "http://u7.ws.localhost:8000/.studio/enter?ticket=t&to=%2Fa%3Fb%3D1%26c%3D2"


def node(status: str) -> NodeRow:
    return NodeRow(node_id="workspace-87", role="workspace", status=status)


def test_a_workspace_on_a_host_that_is_down_says_so() -> None:
    assert WorkspaceState.of(WorkspaceStatus.OPEN, node("UP")) is WorkspaceState.RUNNING
    assert WorkspaceState.of(WorkspaceStatus.OPEN, node("DOWN")) is WorkspaceState.NODE_DOWN
    assert WorkspaceState.of(WorkspaceStatus.STOPPED, node("DOWN")) is WorkspaceState.STOPPED
    assert WorkspaceState.of(WorkspaceStatus.STOPPED, None) is WorkspaceState.STOPPED


@pytest.mark.parametrize(
    ("task", "state", "exit_code", "named"),
    [
        (RunTask.DEV, RunState.EXITED, 0, TaskState.DEAD),
        (RunTask.START, RunState.EXITED, None, TaskState.DEAD),
        (RunTask.BUILD, RunState.EXITED, 0, TaskState.SUCCEEDED),
        (RunTask.INSTALL, RunState.EXITED, 1, TaskState.FAILED),
        (RunTask.INSTALL, RunState.EXITED, None, TaskState.FAILED),
        (RunTask.DEV, RunState.STOPPED, 143, TaskState.STOPPED),
        (RunTask.DEV, RunState.STOPPING, None, TaskState.STOPPING),
    ],
)
def test_how_a_run_ended_is_named(
    task: RunTask, state: RunState, exit_code: int | None, named: TaskState
) -> None:
    run = Run(run_id=1, app_id=7, task=task, state=state, exit_code=exit_code)
    assert TaskState.of(run) is named


def test_what_never_started_is_told_with_its_reason() -> None:
    never = SourceError("nothing here can be run", code=ErrorCode.RUN_NOTHING, hint="add it")
    run = Run(run_id=1, app_id=7, task=RunTask.DEV, state=RunState.EXITED, report=never.report())
    # As it is recorded, and as it was before there was a reason in it.
    kept = run.model_dump(mode="json")
    shown = RunOut.of(Run.model_validate(kept))
    assert shown.report == never.report()
    assert shown.state is TaskState.DEAD
    del kept["report"]
    assert RunOut.of(Run.model_validate(kept)).report is None
