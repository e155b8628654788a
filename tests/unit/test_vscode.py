"""VS Code in a workspace: how it is started, what nginx lets through to it, and where that goes."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from activities.workspace_exec import Execs, ExecState
from api.entry import previews
from api.entry.schemas_workspace import OpenApp
from api.entry.workspace_code import open_code
from api.workspace_node import code_servers
from api.workspace_node.code_servers import CodeServers, code_server_argv
from ops.errors import Conflict, NodeUnavailable
from ops.settings import Settings
from ops.stack import code_server, nginx, workspace_files
from tests.support.nginx_map import NginxMap

OWN = "http://code-u7.ws.localhost:8000"
SETTINGS = Settings(home=Path("/srv/studio"))
NODE = SETTINGS.node("workspace-87")
ENTRY = nginx.nginx_config(SETTINGS)


class FakeExecs(Execs):
    """A container in which VS Code takes a moment to listen, or never does."""

    def __init__(self, *, mounted: bool = True, starts: bool = True) -> None:
        super().__init__(SETTINGS)
        self.started: list[str] = []
        self._mounted = mounted
        self._starts = starts
        self._looks = 0

    async def container_state(self, user_id: int) -> dict[str, Any]:
        return {"Mounts": [{"Destination": "/opt/studio/code-server"}] if self._mounted else []}

    async def accepts(self, *_: object) -> bool:
        self._looks += bool(self.started)
        await asyncio.sleep(0)
        return self._starts and self._looks > 2

    async def create(self, user_id: int, argv: Any, **_: Any) -> str:
        return str(len(self.started))

    async def start_detached(self, exec_id: str) -> None:
        self.started.append(exec_id)

    async def inspect(self, exec_id: str) -> ExecState:
        return ExecState(started=True, running=self._starts, pid=1, exit_code=None)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_servers, "PAUSE_SECONDS", 0)


async def test_however_often_it_is_asked_for_it_starts_once() -> None:
    execs = FakeExecs()
    servers = CodeServers(SETTINGS, NODE, execs)
    await asyncio.gather(*(servers.start(7) for _ in range(5)))
    await servers.start(7)
    assert len(execs.started) == 1


@pytest.mark.parametrize(
    ("execs", "settings", "why"),
    [
        (FakeExecs(mounted=False), SETTINGS, "before VS Code was installed"),
        (FakeExecs(starts=False), SETTINGS, "does not start"),
        (FakeExecs(), Settings(workspace_memory_mb=512), "more memory than a workspace has"),
    ],
)
async def test_why_it_does_not_start_is_said(
    execs: FakeExecs, settings: Settings, why: str
) -> None:
    with pytest.raises(NodeUnavailable, match=why) as refused:
        await CodeServers(settings, NODE, execs).start(7)
    assert refused.value.hint


def test_it_tells_nobody_and_listens_where_the_gateway_looks() -> None:
    words = " ".join(code_server_argv(900))
    for flag in ("--disable-telemetry", "--disable-update-check", "--auth none"):
        assert flag in words
    assert "--idle-timeout-seconds 900 " in words
    assert "--idle-timeout-seconds 61 " in " ".join(code_server_argv(3))
    assert "--bind-addr 0.0.0.0:13337" in words
    gateway = workspace_files.gateway_config(SETTINGS, NODE)
    assert '"code-3" 172.28.64.13:13337;' in gateway


def test_guests_have_no_way_to_it() -> None:
    """Their requests go by the other map, which knows no slot of VS Code."""
    gateway = workspace_files.gateway_config(SETTINGS, NODE)
    slots = re.search(r"\$studio_slot_address {\n(.*?)\n    }", gateway, re.DOTALL)
    assert slots
    assert '"3" 172.28.64.13:3000;' in slots[1]
    assert "code-" not in slots[1]


def refused(
    *,
    method: str,
    site: str = "",
    mode: str = "",
    dest: str = "",
    uri: str = "/",
    upgrade: str = "",
    origin: str = "",
) -> bool:
    """What nginx makes of a request, by one map and then by the next."""
    page = NginxMap(ENTRY, "studio_other_page")[f"{site} {mode} {method} {origin} {OWN}"]
    connection = "upgrade" if upgrade else ""
    asked = f"{page} {connection}:{origin} {method} {dest} {uri}"
    return NginxMap(ENTRY, "studio_not_in_code")[asked] == "1"


@pytest.mark.parametrize(
    ("upgrade", "origin", "foreign"),
    [
        ("websocket", OWN, False),
        ("websocket", "http://studio.localhost:8000", True),
        ("websocket", "http://u7.ws.localhost:8000", True),
        ("websocket", "https://code-u7.ws.localhost:8000", True),
        ("websocket", "http://code-u7.ws.localhost", True),
        ("websocket", "http://code-u8.ws.localhost:8000", True),
        ("websocket", f"{OWN}.evil.example", True),
        ("websocket", "null", True),
        ("websocket", "", True),
        ("", "", False),
        ("", OWN, False),
        ("", "null", True),
        ("", "http://u7.ws.localhost:8000", True),
    ],
)
def test_only_its_own_page_may_ask(upgrade: str, origin: str, foreign: bool) -> None:
    assert refused(method="GET", upgrade=upgrade, origin=origin) is foreign


@pytest.mark.parametrize(
    ("fetched", "foreign"),
    [
        ("GET same-origin cors empty /any", False),
        ("POST same-origin cors empty /any", False),
        ("GET none navigate document /any", False),
        ("GET cross-site navigate document /.studio/enter?ticket=t", False),
        ("GET cross-site navigate document /?folder=/workspace/apps/5", False),
        ("GET cross-site navigate document /?folder=/workspace/apps/5&payload=[]", True),
        ("GET cross-site navigate document /?folder=/workspace/apps/../..", True),
        ("GET cross-site navigate document /?folder=/etc", True),
        ("GET cross-site navigate document /", True),
        ("GET same-site navigate document /any?folder=/workspace/apps/5", True),
        ("POST cross-site navigate document /?folder=/workspace/apps/5", True),
        ("GET cross-site navigate iframe /?folder=/workspace/apps/5", True),
        ("GET same-site no-cors script /.studio/enter?x", True),
        ("GET same-site no-cors image /any", True),
        ("GET same-site websocket empty /any", True),
        ("GET    /any", False),
    ],
)
def test_other_pages_may_open_an_app_in_it_and_no_more(fetched: str, foreign: bool) -> None:
    method, site, mode, dest, uri = fetched.split(" ")
    assert refused(method=method, site=site, mode=mode, dest=dest, uri=uri) is foreign


def test_it_has_an_origin_of_its_own_or_none() -> None:
    text = nginx.nginx_config(SETTINGS)
    assert r'server_name "~^code-u(?<studio_user>[0-9]{1,18})\.ws\.localhost$";' in text
    assert "frame-ancestors 'self'" in text
    assert "code-u" not in nginx.nginx_config(Settings(routing="path"))
    assert SETTINGS.code_url(7) == f"{OWN}/"


def test_its_ticket_and_cookie_are_no_previews() -> None:
    url = previews.enter_code_url(SETTINGS, 7, "t", 5)
    assert url == f"{OWN}/.studio/enter?ticket=t&to=%2F%3Ffolder%3D%2Fworkspace%2Fapps%2F5"
    assert previews.landing(SETTINGS, 7, "/?folder=/workspace/apps/5").endswith("apps/5")
    kinds = [*previews.TICKETS.values(), *previews.COOKIES.values()]
    assert len(set(kinds)) == 4
    # The column has eight characters.
    assert all(len(kind) <= 8 for kind in kinds)
    cookie = previews.set_code_cookie(SETTINGS, "x")
    assert "Domain" not in cookie
    assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))


def test_what_is_installed_is_pinned() -> None:
    for folder in (code_server.SOURCE, code_server.SOURCE / "vscode"):
        lock = json.loads((folder / "package-lock.json").read_text())["packages"]
        wanted = json.loads((folder / "package.json").read_text())["dependencies"]
        assert lock[""]["dependencies"] == wanted
        for name, package in lock.items():
            assert not name or package["integrity"].startswith("sha512-"), name
            assert "resolved" not in package
    assert set(code_server.COMPILED) <= set(wanted)


async def test_without_names_of_their_own_it_is_refused_in_words() -> None:
    use: Any = SimpleNamespace(settings=Settings(routing="path"))
    me: Any = None
    with pytest.raises(Conflict, match="needs a name of its own"):
        await open_code(OpenApp(app_id=5), me, use)
