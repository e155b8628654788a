"""``studio sh``: a terminal of the workspace, in this one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator
from typing import Annotated

import typer
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from ops.cli_client import UNAVAILABLE, CliError, Studio
from ops.cli_common import find_app, studio

CHUNK = 4096
KEPT_SECONDS = 55.0
"""For so long the shell waits on the other side when the connection breaks."""
PAUSE_SECONDS = 0.5
TAKEN_OVER = 4000


def sh(
    context: typer.Context,
    app: Annotated[
        str | None, typer.Argument(metavar="[APP]", help="Else the one that is open.")
    ] = None,
) -> None:
    """A shell in your workspace. What is piped into it is typed there."""
    api = studio(context)
    if app is not None:
        app_id = find_app(api, app)["id"]
        api.post("/api/workspace/open", {"app_id": app_id})
    else:
        app_id = api.get("/api/workspace")["app_id"]
        if app_id is None:
            raise CliError("no app is open in your workspace", "studio sh APP")
    with _raw():
        code = asyncio.run(Shell(api, app_id).run())
    raise typer.Exit(code)


class Shell:
    """Comes back to the same shell over as many connections as it takes."""

    def __init__(self, api: Studio, app_id: int) -> None:
        self._api = api
        self._app_id = app_id
        self._session: str | None = None
        self._exit: int | None = None
        self._input: asyncio.Queue[bytes] = asyncio.Queue()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin.fileno(), self._read)
        last = time.monotonic()
        try:
            while self._exit is None:
                try:
                    async with await self._connect() as connection:
                        await self._talk(connection)
                    last = time.monotonic()
                except (OSError, TimeoutError, WebSocketException) as error:
                    if self._session is None or time.monotonic() - last > KEPT_SECONDS:
                        raise _refused(self._api, error) from None
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            loop.remove_reader(sys.stdin.fileno())
        return self._exit

    def _read(self) -> None:
        data = os.read(sys.stdin.fileno(), CHUNK)
        if not data:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        self._input.put_nowait(data or b"\x04")

    async def _connect(self) -> ClientConnection:
        columns, rows = shutil.get_terminal_size()
        asked = {"app_id": self._app_id, "rows": rows, "columns": columns}
        if self._session is not None:
            asked["session"] = self._session  # type: ignore[assignment]
        url, host, port, authorization = self._api.socket("/api/workspace/terminal", asked)
        return await connect(
            url,
            host=host,
            port=port,
            additional_headers={"Authorization": authorization},
            proxy=None,
            compression=None,
        )

    async def _talk(self, connection: ClientConnection) -> None:
        loop = asyncio.get_running_loop()
        sending = asyncio.create_task(self._send(connection))
        resized = asyncio.Event()
        resizing = asyncio.create_task(_resize(connection, resized))
        loop.add_signal_handler(signal.SIGWINCH, resized.set)
        try:
            async for message in connection:
                if isinstance(message, bytes):
                    await asyncio.to_thread(_show, message)
                else:
                    self._told(message)
        except ConnectionClosed:
            if connection.close_code == TAKEN_OVER:
                raise CliError("this terminal was opened elsewhere") from None
        finally:
            loop.remove_signal_handler(signal.SIGWINCH)
            for task in (sending, resizing):
                task.cancel()

    def _told(self, message: str) -> None:
        told = json.loads(message)
        if "session" in told:
            self._session = told["session"]
        elif "exit" in told:
            self._exit = told["exit"] if isinstance(told["exit"], int) else 1

    async def _send(self, connection: ClientConnection) -> None:
        while True:
            await connection.send(await self._input.get())


async def _resize(connection: ClientConnection, resized: asyncio.Event) -> None:
    while True:
        await resized.wait()
        resized.clear()
        columns, rows = shutil.get_terminal_size()
        await connection.send(json.dumps({"resize": [columns, rows]}))


def _show(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    """Every key goes to the other side; afterwards this terminal is as it was."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _refused(api: Studio, error: Exception) -> CliError:
    if isinstance(error, InvalidStatus):
        code = UNAVAILABLE if error.response.status_code >= 502 else 1
        try:
            told = json.loads(error.response.body or b"")
            return CliError(str(told["detail"]), str(told.get("hint", "")), code)
        except (ValueError, KeyError, TypeError):
            return CliError(f"the server answered {error.response.status_code}", code=code)
    return CliError(f"{api.server} does not answer ({type(error).__name__})", code=UNAVAILABLE)
