"""``studio bench workspace``: the development path beside plain Docker, medians, in one run."""

from __future__ import annotations

import json
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
from websockets.sync.client import connect

from ops.bench.developer import Developer, seconds
from ops.bench.idle import footprint
from ops.bench.plain import PORT, Load, PlainDocker, load, need_ab, one_nginx
from ops.bench.waiting import until_answers
from ops.names import workspace_container
from ops.settings import Settings

ROUNDS = 7
AT_ONCE = 10
ECHOES = 50
REST_SECONDS = 3.0
SETTLES = 0.3
"""Vite takes two changes of a file within 50 ms as one."""
PAGE = "src/App.vue"
TREE_ENTRIES = 20_000
OPEN_COLD = "open: no container / docker run"
OPEN_STOPPED = "open: stopped / docker start"
OPEN_RUNNING = "open: running"
TREE = f"files: a tree of {TREE_ENTRIES} entries"
ECHO = "echo of a terminal"

Say = Callable[[str], None]


@dataclass
class Report:
    """Medians by name: seconds by plain Docker and by the platform. Memory in bytes."""

    times: dict[str, tuple[float, float]] = field(default_factory=dict)
    plain_at_once: list[float] = field(default_factory=list)
    first_at_once: list[float] = field(default_factory=list)
    cold_at_once: list[float] = field(default_factory=list)
    rates: dict[str, Load] = field(default_factory=dict)
    idle: int = 0
    memory_each: int = 0


def run(settings: Settings, say: Say, *, rounds: int = ROUNDS, at_once: int = AT_ONCE) -> Report:
    """Runs everything once in turn; what it makes it removes."""
    need_ab()
    report = Report()
    one = Developer(settings)
    others = [Developer(settings) for _ in range(at_once)]
    bench = _Bench(settings, say, report, rounds, one)
    try:
        bench.openings()
        bench.server()
        bench.tree()
        bench.hot_reload()
        bench.echo()
        bench.rates()
        one.close()
        bench.many(others)
    finally:
        for developer in (one, *others):
            developer.delete()
    return report


class _Bench:
    def __init__(
        self, settings: Settings, say: Say, report: Report, rounds: int, one: Developer
    ) -> None:
        self._settings = settings
        self._say = say
        self._report = report
        self._rounds = rounds
        self._one = one
        self._app = one.app("express-api")
        one.open(self._app)
        node_id = one.ask("GET", "/api/workspace")["node"]
        self._node = settings.node(node_id)
        self._container = settings.name_prefix + workspace_container(one.id)
        self._plain = PlainDocker(settings, self._node, secrets.token_hex(4))

    def openings(self) -> None:
        cold, stopped, running, plain_run, plain_start = [], [], [], [], []
        for number in range(self._rounds):
            self._say(f"opening, round {number + 1}")
            plain_run.append(seconds(self._plain.run))
            self._plain.stop()
            plain_start.append(seconds(self._plain.start))
            self._plain.remove()
            self._one.close()
            self._plain.engine.remove_container(self._container, force=True)
            cold.append(seconds(self._open))
            self._one.close()
            stopped.append(seconds(self._open))
            running.append(seconds(self._open))
        self._note(OPEN_COLD, plain_run, cold)
        self._note(OPEN_STOPPED, plain_start, stopped)
        self._note(OPEN_RUNNING, [0.0], running)

    def _open(self) -> None:
        self._one.open(self._app)

    def server(self) -> None:
        """From asking for it to its first 200."""
        self._say("dev server")
        self._one.run(self._app, "install")
        plain, platform = [], []
        for _ in range(self._rounds):
            platform.append(seconds(lambda: self._one.run(self._app, "dev")))
            self._one.stop()
            plain.append(seconds(self._serve_plainly))
            self._plain.command(self._container, "pkill", "-f", "node server.js")
        self._note("dev server to its first 200", plain, platform)

    def _serve_plainly(self) -> None:
        folder = f"/workspace/apps/{self._app}"
        self._plain.begin(self._container, folder, "npm", "run", "dev")
        url = f"http://{self._plain.address(self._container)}:{PORT}/"
        until_answers(url)

    def tree(self) -> None:
        """Every file of an app with many, as the page asks for them."""
        self._say(f"a tree of {TREE_ENTRIES} entries")
        app = self._one.app("static")
        self._one.open(app)
        folders = self._disk() / "apps" / str(app) / "many"
        for number in range(TREE_ENTRIES):
            file = folders / f"{number // 100:03}" / f"file-{number:05}.js"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        platform = []
        for _ in range(self._rounds):
            started = time.perf_counter()
            found = self._one.ask("GET", "/api/workspace/files/tree", app_id=app)
            platform.append(time.perf_counter() - started)
            assert len(found["entries"]) >= TREE_ENTRIES
        self._note(TREE, [0.0], platform)

    def _disk(self) -> Path:
        return self._settings.node_home(self._node.node_id) / "disks" / f"u-{self._one.id}"

    def hot_reload(self) -> None:
        """From saving a file to the message that a client of the hot reload gets."""
        self._say("hot reload")
        app = self._one.app("vite-vue")
        self._one.open(app)
        self._one.run(app, "dev")
        source = self._one.ask("GET", "/api/workspace/files/content", app_id=app, path=PAGE)
        text = source["content"]
        self._one.preview("src/main.js")
        self._one.preview(PAGE)
        address = self._plain.address(self._container)
        disk = self._disk()
        plain, platform = [], []
        with (
            self._one.hot_reload() as hot,
            connect(f"ws://{address}:{PORT}/", subprotocols=["vite-hmr"], proxy=None) as direct,  # type: ignore[list-item]
        ):
            for number in range(self._rounds):
                changed, again = (text.replace("It works", f"{word} {number}") for word in "ab")
                started = time.perf_counter()
                self._one.write(app, PAGE, changed)
                _update_of(hot.recv)
                platform.append(time.perf_counter() - started)
                _update_of(direct.recv)
                self._one.preview(f"{PAGE}?t={number}")
                time.sleep(SETTLES)
                started = time.perf_counter()
                (disk / "apps" / str(app) / PAGE).write_text(again)
                _update_of(direct.recv)
                plain.append(time.perf_counter() - started)
                _update_of(hot.recv)
                self._one.preview(f"{PAGE}?u={number}")
                time.sleep(SETTLES)
        self._one.stop()
        self._note("save to hot reload", plain, platform)

    def echo(self) -> None:
        """A key in a terminal until it is shown."""
        self._say("echo of a terminal")
        plain, platform = [], []
        with self._one.terminal(self._app) as terminal, self._plain.shell(self._container) as shell:
            terminal.send(b"cat\n")
            shell.sendall(b"cat\n")
            # `cat` says nothing when it has begun, and what a shell echoes meanwhile is not its own.
            time.sleep(1)
            while True:
                try:
                    terminal.recv(timeout=0.2)
                except TimeoutError:
                    break
            shell.recv(65536)
            for _ in range(ECHOES):
                started = time.perf_counter()
                terminal.send(b"x")
                terminal.recv()
                platform.append(time.perf_counter() - started)
                started = time.perf_counter()
                shell.sendall(b"x")
                shell.recv(100)
                plain.append(time.perf_counter() - started)
        self._note(ECHO, plain, platform)

    def rates(self) -> None:
        """Of a small server: itself, behind one nginx, and behind both hops of the preview."""
        self._say("requests of a preview")
        app = self._one.app("static")
        self._one.open(app)
        self._one.write(app, "package.json", '{"scripts": {"dev": "node small.js"}}')
        small = "require('http').createServer((q, a) => a.end('hi')).listen(3000)\n"
        self._one.write(app, "small.js", small)
        self._one.run(app, "dev")
        address = self._plain.address(self._container)
        host = httpx.URL(self._settings.preview_url(self._one.id)).netloc.decode()
        path = self._settings.preview_base_path(self._one.id)
        headers = {"Host": host, "Cookie": self._one.preview_cookie()}
        with (
            tempfile.TemporaryDirectory() as folder,
            one_nginx(self._settings, Path(folder), f"{address}:{PORT}") as single,
        ):
            both = f"{self._settings.entry_url}{path}"
            measured: dict[str, list[Load]] = {"server": [], "one nginx": [], "preview": []}
            for _ in range(self._rounds):
                measured["server"].append(load(f"http://{address}:{PORT}/", {}))
                measured["one nginx"].append(load(single, {}))
                measured["preview"].append(load(both, headers))
        for name, loads in measured.items():
            self._report.rates[name] = sorted(loads, key=lambda one: one.per_second)[
                len(loads) // 2
            ]
        self._one.stop()

    def many(self, others: list[Developer]) -> None:
        """Openings at once: the very first, with disk, key and clone, then those without a
        container; and what an open workspace that idles costs."""
        self._say(f"{len(others)} openings at once")
        self._report.plain_at_once = self._plain_at_once(len(others))
        apps = [other.app("static") for other in others]
        opened = [partial(one.open, app) for one, app in zip(others, apps, strict=True)]
        before = footprint(self._settings)
        self._report.first_at_once = _at_once(opened)
        time.sleep(REST_SECONDS)
        added = footprint(self._settings) - before
        self._report.idle = len(others)
        self._report.memory_each = added // len(others)
        for other in others:
            other.close()
            name = self._settings.name_prefix + workspace_container(other.id)
            self._plain.engine.remove_container(name, force=True)
        self._report.cold_at_once = _at_once(opened)

    def _plain_at_once(self, count: int) -> list[float]:
        name = secrets.token_hex(4)
        plain = [
            PlainDocker(self._settings, self._node, f"{name}-{place}", place)
            for place in range(1, count + 1)
        ]
        try:
            return _at_once([one.run for one in plain])
        finally:
            for one in plain:
                one.remove()

    def _note(self, name: str, plain: list[float], platform: list[float]) -> None:
        self._report.times[name] = (statistics.median(plain), statistics.median(platform))


def _at_once(calls: Sequence[Callable[[], object]]) -> list[float]:
    """Seconds of each, the shortest first."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return sorted(pool.map(seconds, calls))


def _update_of(receive: Callable[[float], str | bytes]) -> None:
    """Until an update has come."""
    while json.loads(receive(10))["type"] != "update":
        continue
