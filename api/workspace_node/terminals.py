"""Terminals: a shell on a real pty in the container, that outlives its connection for a minute."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from collections import Counter, deque
from contextlib import AsyncExitStack

import structlog

from activities.workspace_exec import Attached, Execs
from ops.error_codes import ErrorCode
from ops.errors import LimitReached, NotFound, StudioError

KEEP_SECONDS = 60.0
SCROLLBACK = 256 * 1024
CHUNK = 32 * 1024
MOST_A_USER = 8
HANG_UP_SECONDS = 1.0
ENVIRONMENT = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}

log = structlog.get_logger()


def shell_argv(app_id: int) -> list[str]:
    """A login shell in the app's folder, or in the workspace when there is none."""
    go = 'cd "$1" 2>/dev/null; exec bash -l'
    return ["sh", "-c", go, "terminal", f"/workspace/apps/{app_id}"]


class Viewer:
    """One connection to a terminal. What it has not taken yet holds the program up."""

    def __init__(self) -> None:
        self.output: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=8)
        self.replaced = False

    def end(self) -> None:
        """Its next output is the end, whatever it has not taken yet; who waits for room goes on."""
        while not self.output.empty():
            self.output.get_nowait()
        self.output.put_nowait(None)


class Terminal:
    def __init__(self, user_id: int, exec_id: str, execs: Execs) -> None:
        self.id = secrets.token_urlsafe(16)
        self.user_id = user_id
        self.exit_code: int | None = None
        self.ended = asyncio.Event()
        self._exec_id = exec_id
        self._execs = execs
        self._connection = AsyncExitStack()
        self._both: Attached | None = None
        self._scrollback: deque[bytes] = deque()
        self._kept = 0
        self._viewer: Viewer | None = None
        self._left: asyncio.TimerHandle | None = None
        self._reading: asyncio.Task[None] | None = None
        self._hanging_up: asyncio.Task[None] | None = None

    async def start(self, rows: int, columns: int) -> None:
        self._both = await self._connection.enter_async_context(
            self._execs.attached(self._exec_id, tty=True)
        )
        await self.resize(rows, columns)
        self._reading = asyncio.create_task(self._read(), name="terminal")

    def attach(self) -> tuple[Viewer, bytes]:
        """A viewer, and what it has missed. Whoever looked before looks no more."""
        if self._viewer is not None:
            self._viewer.replaced = True
            self._viewer.end()
        if self._left is not None:
            self._left.cancel()
            self._left = None
        self._viewer = Viewer()
        if self.ended.is_set():
            self._viewer.end()
        return self._viewer, b"".join(self._scrollback)

    def detach(self, viewer: Viewer) -> None:
        """The shell goes on for a while, should its viewer come back."""
        if self._viewer is viewer:
            self._viewer = None
            viewer.end()
            loop = asyncio.get_running_loop()
            self._left = loop.call_later(KEEP_SECONDS, self.hang_up)

    async def write(self, data: bytes) -> None:
        if self._both is not None and not self.ended.is_set():
            with contextlib.suppress(ConnectionError):
                self._both.writer.write(data)
                await self._both.writer.drain()

    async def resize(self, rows: int, columns: int) -> None:
        with contextlib.suppress(StudioError):
            await self._execs.resize(self._exec_id, rows, columns)

    async def close(self) -> None:
        """Hangs up, as closing a terminal's window does, and ends what does not care."""
        if self._left is not None:
            self._left.cancel()
        with contextlib.suppress(StudioError):
            await self._execs.kill(self._exec_id, signal.SIGHUP)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), HANG_UP_SECONDS)
            await self._execs.kill(self._exec_id)
        if self._reading is not None:
            self._reading.cancel()
        await self._connection.aclose()
        self.ended.set()
        if self._viewer is not None:
            self._viewer.end()

    def hang_up(self) -> None:
        """Nobody comes back to it. Whoever still looks sees its end."""
        if self._hanging_up is None:
            self._hanging_up = asyncio.create_task(self.close(), name="close terminal")
            self._hanging_up.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _read(self) -> None:
        assert self._both is not None
        try:
            while data := await self._both.reader.read(CHUNK):
                self._remember(data)
                viewer = self._viewer
                if viewer is not None:
                    await viewer.output.put(data)
        except ConnectionError:
            log.debug("terminal.cut", user_id=self.user_id)
        with contextlib.suppress(StudioError):
            state = await self._execs.inspect(self._exec_id)
            self.exit_code = state.exit_code if state is not None else None
        self.ended.set()
        if self._viewer is not None:
            await self._viewer.output.put(None)

    def _remember(self, data: bytes) -> None:
        self._scrollback.append(data)
        self._kept += len(data)
        while self._kept > SCROLLBACK:
            self._kept -= len(self._scrollback.popleft())


class Terminals:
    """All terminals of this node's users."""

    def __init__(self, execs: Execs) -> None:
        self._execs = execs
        self._open: dict[str, Terminal] = {}
        self._opening: Counter[int] = Counter()
        self._swept: set[int] = set()

    async def open(self, user_id: int, app_id: int, rows: int, columns: int) -> Terminal:
        """A new shell. Raises LimitReached, and Conflict when the workspace is not open."""
        self._forget_ended()
        mine = [one for one in self._open.values() if one.user_id == user_id]
        if len(mine) + self._opening[user_id] >= MOST_A_USER:
            raise LimitReached(
                f"up to {MOST_A_USER} terminals are possible",
                code=ErrorCode.TERMINALS_LIMIT,
                values={"limit": MOST_A_USER},
                hint="close one",
            )
        self._opening[user_id] += 1
        try:
            await self._sweep(user_id)
            exec_id = await self._execs.create(
                user_id, shell_argv(app_id), env=ENVIRONMENT, tty=True, stdin=True
            )
            terminal = Terminal(user_id, exec_id, self._execs)
            await terminal.start(rows, columns)
        finally:
            self._opening[user_id] -= 1
        self._open[terminal.id] = terminal
        return terminal

    def find(self, user_id: int, terminal_id: str) -> Terminal:
        """Raises NotFound also for somebody else's."""
        self._forget_ended()
        terminal = self._open.get(terminal_id)
        if terminal is None or terminal.user_id != user_id:
            raise NotFound(
                "this terminal has ended", code=ErrorCode.TERMINAL_ENDED, hint="open a new one"
            )
        return terminal

    async def close(self) -> None:
        await asyncio.gather(*(terminal.close() for terminal in self._open.values()))

    def _forget_ended(self) -> None:
        for key, terminal in list(self._open.items()):
            if terminal.ended.is_set():
                del self._open[key]

    async def _sweep(self, user_id: int) -> None:
        """Ends shells of a worker before this one: nobody can come back to them."""
        if user_id in self._swept:
            return
        found = await self._execs.container_state(user_id)
        self._swept.add(user_id)
        for exec_id in found.get("ExecIDs") or []:
            if await self._execs.is_terminal(exec_id):
                await self._execs.kill(exec_id)
