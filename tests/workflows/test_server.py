"""The workflow server as the platform starts it: what a page in a browser on its host could ask."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest
from temporalio.client import Client

from ops.settings import Settings
from ops.stack import programs
from tests.workflows.conftest import temporal_binary

HOSTS = ("localhost", "127.0.0.1", "no host", "no", "", None)

REFUSES_ALL_HOSTS = "frontend.httpAllowedHosts="


def free_offset() -> int:
    """By how much the platform's ports are shifted to where nothing listens."""
    for offset in range(20_000, 30_000, 97):
        ports = Settings(port_offset=offset).ports
        with suppress(OSError):
            for port in (ports.temporal, ports.temporal_ui, ports.temporal_metrics):
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port))
            return offset
    pytest.fail("no ports are free")


async def connected(address: str) -> Client:
    for _ in range(100):
        with suppress(RuntimeError):
            return await Client.connect(address)
        await asyncio.sleep(0.2)
    pytest.fail(f"nothing answers at {address}")


@asynccontextmanager
async def serving(
    settings: Settings, command: tuple[str, ...]
) -> AsyncIterator[tuple[Client, int]]:
    """The server by its command: a client of it, and its process."""
    (settings.data / "temporal").mkdir(parents=True)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield await connected(settings.temporal_address), process.pid
    finally:
        process.terminate()
        await process.wait()


def listeners(pid: int) -> Iterator[tuple[str, int]]:
    for connection in psutil.Process(pid).net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN:
            yield connection.laddr.ip, connection.laddr.port


def ask(address: tuple[str, int], host: str | None, workflow: str) -> int | None:
    """A post that a page may send to any place without asking; the status of the answer, if any."""
    body = '{"workflowType":{"name":"X"},"taskQueue":{"name":"q"}}'
    # Only of the old version may a request name no host.
    named = ["HTTP/1.0"] if host is None else ["HTTP/1.1", f"Host: {host}"]
    lines = [
        f"POST /api/v1/namespaces/default/workflows/{workflow} " + "\r\n".join(named),
        "Content-Type: text/plain",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "",
        body,
    ]
    with suppress(OSError), socket.create_connection(address, timeout=5) as connection:
        connection.sendall("\r\n".join(lines).encode())
        words = connection.makefile("rb").readline().split()
        # What is not for HTTP answers in its own words, or hangs up.
        return int(words[1]) if words and words[0].startswith(b"HTTP/1.") else None
    return None


async def asked_everywhere(pid: int) -> set[int]:
    """The statuses of all answers, of each listener by each name."""
    asked = [
        (address, host)
        for address in listeners(pid)
        for host in (*HOSTS, f"localhost:{address[1]}", f"127.0.0.1:{address[1]}")
    ]
    found = [
        await asyncio.to_thread(ask, address, host, f"x{number}")
        for number, (address, host) in enumerate(asked)
    ]
    return {status for status in found if status is not None}


async def started(client: Client) -> list[str]:
    """Workflows of the type that is asked for; what was begun is listed a moment later."""
    await asyncio.sleep(1)
    return [found.id async for found in client.list_workflows("WorkflowType = 'X'")]


@pytest.mark.parametrize("refused", [True, False])
async def test_no_page_starts_a_workflow(tmp_path: Path, refused: bool) -> None:
    """Without the option that refuses it, the same posts do: they are the right ones."""
    settings = Settings(home=tmp_path, port_offset=free_offset())
    command = programs.temporal(settings, temporal_binary()).command
    if not refused:
        command = tuple(word for word in command if REFUSES_ALL_HOSTS not in word)
    async with serving(settings, command) as (client, pid):
        statuses = await asked_everywhere(pid)
        assert len(set(listeners(pid))) >= 4
        assert (200 in statuses) is not refused, statuses
        assert bool(await started(client)) is not refused
