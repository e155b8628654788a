"""Terminals beside an engine whose shells do what a test says: what is kept, for whom, how long."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedOK, InvalidStatus

from activities.workspace_exec import Attached, Execs, ExecState
from api.workspace_node import terminal as endpoint
from api.workspace_node import terminals as module
from api.workspace_node.state import state
from api.workspace_node.terminals import CHUNK, MOST_A_USER, SCROLLBACK, Terminal, Terminals
from ops.errors import LimitReached, NotFound
from workers.http_server import HttpServer

ANN, BOB, APP = 1, 2, 7


class Shell:
    """The program's side of a terminal."""

    def __init__(self) -> None:
        self.inside, self.outside = socket.socketpair()
        self.sizes: list[tuple[int, int]] = []
        self.signals: list[signal.Signals] = []
        self.exit_code: int | None = None
        self.ends_at: signal.Signals = signal.SIGHUP

    def says(self, data: bytes) -> None:
        self.inside.sendall(data)

    def ends(self, code: int) -> None:
        self.exit_code = code
        self.inside.close()


class Engine:
    """Shells by the id of their command."""

    def __init__(self) -> None:
        self.shells: dict[str, Shell] = {}
        self.before: list[str] = []

    async def container_state(self, user_id: int) -> dict[str, Any]:
        return {"ExecIDs": self.before or None}

    async def is_terminal(self, exec_id: str) -> bool:
        return True

    async def create(self, user_id: int, argv: Sequence[str], **_: Any) -> str:
        self.shells[f"exec-{len(self.shells)}"] = Shell()
        return f"exec-{len(self.shells) - 1}"

    @asynccontextmanager
    async def attached(self, exec_id: str, *, tty: bool) -> AsyncIterator[Attached]:
        reader, writer = await asyncio.open_connection(sock=self.shells[exec_id].outside)
        try:
            yield Attached(reader, writer)
        finally:
            writer.close()

    async def resize(self, exec_id: str, rows: int, columns: int) -> None:
        self.shells[exec_id].sizes.append((rows, columns))

    async def inspect(self, exec_id: str) -> ExecState | None:
        code = self.shells[exec_id].exit_code
        return ExecState(started=True, running=code is None, pid=1, exit_code=code)

    async def kill(self, exec_id: str, number: signal.Signals = signal.SIGKILL) -> None:
        shell = self.shells.setdefault(exec_id, Shell())
        if shell.exit_code is None:
            shell.signals.append(number)
            if number in (shell.ends_at, signal.SIGKILL):
                shell.ends(128 + number)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def terminals(engine: Engine) -> Terminals:
    return Terminals(cast(Execs, engine))


async def opened(terminals: Terminals, engine: Engine, user: int = ANN) -> tuple[Terminal, Shell]:
    terminal = await terminals.open(user, APP, 24, 80)
    return terminal, engine.shells[f"exec-{len(engine.shells) - 1}"]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.005)


async def test_the_latest_output_is_kept_without_a_hole(
    terminals: Terminals, engine: Engine
) -> None:
    terminal, shell = await opened(terminals, engine)
    said = b"".join(b"line %d\r\n" % number for number in range(60_000))
    assert len(said) > 2 * SCROLLBACK
    await asyncio.to_thread(shell.says, said)
    await until(lambda: terminal.attach()[1].endswith(b"line 59999\r\n"))
    _, missed = terminal.attach()
    assert SCROLLBACK - CHUNK <= len(missed) <= SCROLLBACK
    assert said.endswith(missed)


async def test_whoever_comes_back_in_time_finds_the_same_shell(
    terminals: Terminals, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module.KEEP_SECONDS == 60
    monkeypatch.setattr(module, "KEEP_SECONDS", 2)
    terminal, shell = await opened(terminals, engine)
    viewer, _ = terminal.attach()
    terminal.detach(viewer)
    shell.says(b"meanwhile")

    def missed() -> bytes:
        """What somebody finds who comes and goes: nothing is read while they are there."""
        viewer, output = terminals.find(ANN, terminal.id).attach()
        terminal.detach(viewer)
        return output

    await until(lambda: missed() == b"meanwhile")
    again, _ = terminals.find(ANN, terminal.id).attach()
    await asyncio.sleep(module.KEEP_SECONDS + 0.1)
    assert shell.signals == []
    monkeypatch.setattr(module, "KEEP_SECONDS", 0.05)
    terminal.detach(again)
    await until(terminal.ended.is_set)
    assert shell.signals == [signal.SIGHUP]
    with pytest.raises(NotFound):
        terminals.find(ANN, terminal.id)


async def test_a_shell_is_shown_in_one_place_and_to_its_user_only(
    terminals: Terminals, engine: Engine
) -> None:
    terminal, shell = await opened(terminals, engine)
    first, _ = terminal.attach()
    second, _ = terminal.attach()
    assert (first.replaced, await first.output.get()) == (True, None)
    # The first one's connection ends now, and takes nothing from the second.
    terminal.detach(first)
    shell.says(b"to the second")
    assert await second.output.get() == b"to the second"
    with pytest.raises(NotFound):
        terminals.find(BOB, terminal.id)


async def test_a_viewer_who_does_not_read_holds_the_program_up_until_they_go(
    terminals: Terminals, engine: Engine
) -> None:
    terminal, shell = await opened(terminals, engine)
    viewer, _ = terminal.attach()
    shell.inside.setblocking(False)
    held = 0
    for _ in range(500):
        try:
            held += shell.inside.send(b"x" * CHUNK)
        except BlockingIOError:
            await asyncio.sleep(0.001)
    assert held < 100 * CHUNK
    shell.inside.setblocking(True)
    terminal.detach(viewer)
    await asyncio.to_thread(shell.says, b"y" * 100 * CHUNK + b"the end")
    await until(lambda: terminal.attach()[1].endswith(b"the end"))


async def test_so_many_of_one_user_and_no_more(terminals: Terminals, engine: Engine) -> None:
    mine = [await opened(terminals, engine) for _ in range(MOST_A_USER)]
    with pytest.raises(LimitReached) as refused:
        await terminals.open(ANN, APP, 24, 80)
    assert refused.value.hint == "close one"
    await opened(terminals, engine, BOB)
    terminal, shell = mine[3]
    shell.ends(0)
    await until(terminal.ended.is_set)
    await opened(terminals, engine)


async def test_the_end_of_a_shell_is_told_after_its_last_words(
    terminals: Terminals, engine: Engine
) -> None:
    terminal, shell = await opened(terminals, engine)
    viewer, _ = terminal.attach()
    said = b"bye" * 5 * CHUNK
    await asyncio.to_thread(shell.says, said)
    shell.ends(3)
    heard = b""
    while data := await viewer.output.get():
        heard += data
        await asyncio.sleep(0.001)
    assert heard == said
    assert terminal.exit_code == 3
    with pytest.raises(NotFound):
        terminals.find(ANN, terminal.id)


async def test_a_shell_that_does_not_care_is_killed(
    terminals: Terminals, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HANG_UP_SECONDS", 0.05)
    terminal, shell = await opened(terminals, engine)
    shell.ends_at = signal.SIGKILL
    for _ in range(3):
        terminal.hang_up()
    await until(terminal.ended.is_set)
    assert shell.signals == [signal.SIGHUP, signal.SIGKILL]


async def test_shells_that_nobody_can_come_back_to_are_ended_once(
    terminals: Terminals, engine: Engine
) -> None:
    engine.before = ["of-a-worker-before"]
    for _ in range(2):
        await opened(terminals, engine)
    assert engine.shells["of-a-worker-before"].signals == [signal.SIGKILL]


# --- the messages of a connection ------------------------------------------------------------


class Page:
    """Connects to the terminals of one user."""

    def __init__(self, port: int) -> None:
        self._url = f"ws://127.0.0.1:{port}/users/{ANN}/terminal"

    @asynccontextmanager
    async def terminal(self, **query: Any) -> AsyncIterator[tuple[ClientConnection, str]]:
        asked = urlencode({"app_id": APP} | query)
        async with connect(f"{self._url}?{asked}", proxy=None) as connection:
            yield connection, json.loads(await connection.recv())["session"]


@pytest_asyncio.fixture
async def page(terminals: Terminals) -> AsyncIterator[Page]:
    app = FastAPI()
    app.include_router(endpoint.router, prefix="/users/{user_id}")
    here = SimpleNamespace(terminals=terminals, touch=lambda user_id: None)
    app.dependency_overrides[state] = lambda: here
    # Whoever looks for a free port first may find it taken by then.
    server = HttpServer(app, "127.0.0.1", 0)
    stop = asyncio.Event()
    serving = asyncio.create_task(server.run(stop))
    await until(lambda: server._server.started)
    yield Page(server._server.servers[0].sockets[0].getsockname()[1])
    stop.set()
    await serving


async def test_a_size_is_between_one_and_a_thousand(page: Page, engine: Engine) -> None:
    for query in ({"rows": 0}, {"columns": 1001}, {"rows": "many"}):
        with pytest.raises(InvalidStatus):
            async with page.terminal(**query):
                pass
    assert engine.shells == {}
    bad: list[Any] = [[0, 1], [1001, 1], [True, True], [80.0, 24], [80], "80x24", None, {"a": 1}]
    async with page.terminal(rows=30, columns=100) as (connection, _):
        for size in bad:
            await connection.send(json.dumps({"resize": size}))
        for text in ("no JSON", "[1]", "[" * 100_000, '{"hang_up": 1}'):
            await connection.send(text)
        await connection.send(json.dumps({"resize": [1000, 1]}))
        shell = engine.shells["exec-0"]
        await until(lambda: len(shell.sizes) > 1)
        shell.says(b"still here")
        assert await connection.recv() == b"still here"
        await connection.send(b"typed")
        assert await asyncio.to_thread(shell.inside.recv, 10) == b"typed"
    assert shell.sizes == [(30, 100), (1, 1000)]


async def test_a_tab_that_is_closed_ends_its_shell_and_a_reload_does_not(
    page: Page, engine: Engine
) -> None:
    async with page.terminal() as (connection, session):
        engine.shells["exec-0"].says(b"first")
        assert await connection.recv() == b"first"
    async with page.terminal(session=session) as (connection, same):
        assert (same, await connection.recv()) == (session, b"first")
        await connection.send('{"hang_up": true}')
        assert json.loads(await connection.recv()) == {"exit": 128 + signal.SIGHUP}
        with pytest.raises(ConnectionClosedOK) as closed:
            await connection.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == endpoint.ENDED
    with pytest.raises(InvalidStatus) as refused:
        async with page.terminal(session=session):
            pass
    assert refused.value.response.status_code == 404
    assert list(engine.shells) == ["exec-0"]
