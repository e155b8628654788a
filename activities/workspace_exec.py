"""Commands inside a user's workspace container, always as its unprivileged user (Engine API, exec).

The engine is asked over its socket without the Docker SDK: what is streamed is closed at once when
nobody reads it any more, and a terminal needs the raw connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any
from urllib.parse import urlencode

import httpx

from activities.container_spec import UNPRIVILEGED, Labels
from ops.error_codes import ErrorCode
from ops.errors import Conflict, EngineAway, PlatformError, StudioError
from ops.names import workspace_container
from ops.settings import Node, Settings

STDOUT, STDERR = 1, 2
HEADER_BYTES = 8
OUTPUT_LIMIT = 4 * 1024 * 1024
SECONDS = 30.0
PROBE_SECONDS = 1.0
GRACE_SECONDS = 5.0
TOOK_TOO_LONG = 124
USUAL_MODES = ("/bin/sh", "-c", 'umask 022; exec "$0" "$@"')
"""What makes a command's files writable for its user alone. Engines and their runc differ in whether
they set it for a command in a container that runs already."""
CLOSED = "the workspace is not open"
OPEN_IT = "open it first"


@dataclass(frozen=True)
class ExecState:
    """``pid`` is the host's number of the process; ``exit_code`` is None before the end."""

    started: bool
    running: bool
    pid: int
    exit_code: int | None


@dataclass(frozen=True)
class Done:
    """``cut``: it wrote more than was asked for, and was ended for it."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    cut: bool = False

    @property
    def said(self) -> str:
        """Its last lines of complaint, as text."""
        return (self.stderr or self.stdout).decode(errors="replace").strip()[-2000:]


@dataclass(frozen=True)
class Attached:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def frames(self) -> AsyncIterator[tuple[int, bytes]]:
        """Stream and payload of each frame of a command without a terminal."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                header = await self.reader.readexactly(HEADER_BYTES)
                length = int.from_bytes(header[4:], "big")
                yield header[0], await self.reader.readexactly(length)


class Execs:
    """Raises Conflict when the user's container does not run, EngineAway without an engine."""

    def __init__(self, settings: Settings) -> None:
        self._socket = str(settings.docker_socket)
        self._prefix = settings.name_prefix
        self._platform = settings.platform
        self._http = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=self._socket),
            base_url="http://engine",
            timeout=httpx.Timeout(30, connect=3),
        )

    def container(self, user_id: int) -> str:
        return self._prefix + workspace_container(user_id)

    async def container_state(self, user_id: int) -> dict[str, Any]:
        """What the engine says of the container. Raises Conflict when it does not run."""
        found: dict[str, Any] = await self._ask(
            "GET", f"/containers/{self.container(user_id)}/json"
        )
        if not found["State"]["Running"]:
            raise Conflict(CLOSED, code=ErrorCode.WORKSPACE_CLOSED, hint=OPEN_IT)
        return found

    async def addresses(self, node: Node) -> dict[IPv4Address, int]:
        """Where the workspaces that run on a node are, and whose each is."""
        wanted = {
            "label": [
                f"{Labels.PLATFORM}={self._platform}",
                f"{Labels.NODE}={node.node_id}",
                f"{Labels.KIND}=workspace",
            ]
        }
        query = urlencode({"filters": json.dumps(wanted)})
        found: dict[IPv4Address, int] = {}
        for item in await self._ask("GET", f"/containers/json?{query}"):
            address = item["NetworkSettings"]["Networks"].get(node.bridge, {}).get("IPAddress")
            if address:
                found[IPv4Address(address)] = int(item["Labels"][Labels.USER])
        return found

    async def accepts(self, node: Node, user_id: int, port: int) -> bool:
        """Whether somebody in the user's container accepts connections from this host."""
        try:
            found = await self.container_state(user_id)
            address = found["NetworkSettings"]["Networks"][node.bridge]["IPAddress"]
            async with asyncio.timeout(PROBE_SECONDS):
                _, writer = await asyncio.open_connection(address, port)
        except (StudioError, KeyError, OSError):
            return False
        writer.close()
        return True

    async def create(
        self,
        user_id: int,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        tty: bool = False,
        stdin: bool = False,
        output: bool = True,
    ) -> str:
        """The id of a command that is not started yet."""
        body = {
            "Cmd": [*USUAL_MODES, *argv],
            "User": UNPRIVILEGED,
            "Env": [f"{key}={value}" for key, value in (env or {}).items()],
            "WorkingDir": "/workspace",
            "Tty": tty,
            "AttachStdin": stdin,
            "AttachStdout": output,
            "AttachStderr": output,
        }
        path = f"/containers/{self.container(user_id)}/exec"
        return str((await self._ask("POST", path, body))["Id"])

    async def start_detached(self, exec_id: str) -> None:
        await self._ask("POST", f"/exec/{exec_id}/start", {"Detach": True, "Tty": False})

    async def inspect(self, exec_id: str) -> ExecState | None:
        """None when the engine does not know it (any more)."""
        try:
            found = await self._ask("GET", f"/exec/{exec_id}/json")
        except Conflict:
            return None
        code = found.get("ExitCode")
        return ExecState(
            started=found["Running"] or code is not None or bool(found.get("Pid")),
            running=found["Running"],
            pid=int(found.get("Pid") or 0),
            exit_code=code,
        )

    async def is_terminal(self, exec_id: str) -> bool:
        """Whether it runs, and on a terminal."""
        try:
            found = await self._ask("GET", f"/exec/{exec_id}/json")
        except Conflict:
            return False
        return bool(found["Running"] and found["ProcessConfig"]["tty"])

    async def resize(self, exec_id: str, rows: int, columns: int) -> None:
        await self._ask("POST", f"/exec/{exec_id}/resize?h={rows}&w={columns}")

    @asynccontextmanager
    async def process(self, exec_id: str) -> AsyncIterator[int | None]:
        """A descriptor of the command's process (pidfd_open(2)); None when it does not run."""
        state = await self.inspect(exec_id)
        if state is None or not state.running or not state.pid:
            yield None
            return
        try:
            fd = os.pidfd_open(state.pid)
        except OSError:
            yield None
            return
        try:
            # Its number may have been another process's by the time it was opened.
            again = await self.inspect(exec_id)
            yield fd if again is not None and again.running else None
        finally:
            os.close(fd)

    async def kill(self, exec_id: str, number: signal.Signals = signal.SIGKILL) -> None:
        """A signal to the command's own process; already gone is fine."""
        async with self.process(exec_id) as fd:
            if fd is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(fd, number)

    @asynccontextmanager
    async def attached(self, exec_id: str, *, tty: bool) -> AsyncIterator[Attached]:
        """Starts the command; its input and output are this connection."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            raise _away() from None
        try:
            body = json.dumps({"Detach": False, "Tty": tty}).encode()
            head = (
                f"POST /exec/{exec_id}/start HTTP/1.1\r\nHost: engine\r\n"
                "Content-Type: application/json\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            status = int(answer.split(b" ", 2)[1])
            if status not in (httpx.codes.SWITCHING_PROTOCOLS, httpx.codes.OK):
                raise _refused(status)
            yield Attached(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            raise _away() from None
        finally:
            writer.close()

    async def run(
        self,
        user_id: int,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        limit: int = OUTPUT_LIMIT,
        seconds: float = SECONDS,
    ) -> Done:
        """Runs a command to its end. It is killed when it takes too long (124) or writes too much."""
        limited = ["timeout", "--kill-after=1", f"{seconds:g}", *argv]
        exec_id = await self.create(user_id, limited, env=env, stdin=stdin is not None)
        output = {STDOUT: bytearray(), STDERR: bytearray()}
        cut = False
        try:
            # `timeout` is in the hands of whom it is to stop, who may have stopped it.
            async with (
                asyncio.timeout(seconds + GRACE_SECONDS),
                self.attached(exec_id, tty=False) as both,
            ):
                if stdin is not None:
                    both.writer.write(stdin)
                    both.writer.write_eof()
                async for stream, data in both.frames():
                    output.setdefault(stream, bytearray()).extend(data)
                    cut = sum(map(len, output.values())) > limit
                    if cut:
                        break
        except TimeoutError:
            await self.kill(exec_id)
            return Done(TOOK_TOO_LONG, bytes(output[STDOUT]), bytes(output[STDERR]), cut)
        except asyncio.CancelledError:
            await self.kill(exec_id, signal.SIGTERM)
            raise
        if cut:
            await self.kill(exec_id, signal.SIGTERM)
        state = await self._ended(exec_id)
        return Done(state, bytes(output[STDOUT]), bytes(output[STDERR]), cut)

    async def _ended(self, exec_id: str) -> int:
        # The stream may end a moment before the engine has noticed the end of the process.
        for pause in (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0):
            await asyncio.sleep(pause)
            state = await self.inspect(exec_id)
            if state is None:
                break
            if state.exit_code is not None and not state.running:
                return state.exit_code
        return -1

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            answer = await self._http.request(method, path, json=body)
        except httpx.HTTPError:
            raise _away() from None
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise _refused(answer.status_code, answer.text)
        typed = answer.headers.get("content-type", "").startswith("application/json")
        return answer.json() if typed and answer.content else None


def _away() -> EngineAway:
    return EngineAway(
        "the engine that runs the workspaces does not answer",
        code=ErrorCode.ENGINE_AWAY,
        hint="your files are kept; try again in a minute",
    )


def _refused(status: int, text: str = "") -> Exception:
    if status in (httpx.codes.NOT_FOUND, httpx.codes.CONFLICT):
        return Conflict(CLOSED, code=ErrorCode.WORKSPACE_CLOSED, hint=OPEN_IT)
    return PlatformError(f"the workspaces' engine answered {status}: {text[:200]}")
