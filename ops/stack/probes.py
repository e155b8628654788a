"""When is a server ready? Each is asked in its own way; what does not answer shows its log."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import docker
import httpx
from docker.errors import DockerException

from ops.errors import PlatformError
from ops.settings import Settings
from ops.stack.files import mysql_socket
from ops.stack.programs import POSTGRES_BIN, POSTGRES_USER
from ops.stack.shell import attempt, tail_file
from ops.stack.supervisor import Supervisor

Probe = Callable[[], bool]

READY_SECONDS = 90


def http(url: str, *good: int) -> Probe:
    def probe() -> bool:
        try:
            answer = httpx.get(url, timeout=2, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.status_code in (good or (200,))

    return probe


def tcp(address: str, port: int) -> Probe:
    def probe() -> bool:
        try:
            socket.create_connection((address, port), timeout=2).close()
        except OSError:
            return False
        return True

    return probe


def mariadb(settings: Settings) -> Probe:
    command = ["mariadb-admin", "--no-defaults", f"--socket={mysql_socket(settings)}"]
    return lambda: attempt([*command, "--user=root", "ping"], timeout=10).returncode == 0


def postgresql(settings: Settings) -> Probe:
    command = [f"{POSTGRES_BIN}/pg_isready", "-q", "-h", str(settings.run / "postgres")]
    command += ["-p", str(settings.ports.postgres)]
    return lambda: attempt(command, user=POSTGRES_USER, timeout=10).returncode == 0


def engine(socket_path: object) -> Probe:
    def probe() -> bool:
        try:
            client = docker.DockerClient(base_url=f"unix://{socket_path}", timeout=5)
            try:
                return bool(client.ping())
            finally:
                client.close()
        except (DockerException, OSError):
            return False

    return probe


def wait_ready(
    supervisor: Supervisor, name: str, probe: Probe, seconds: float = READY_SECONDS
) -> None:
    """Waits for a started program to answer. Raises with the last lines of its log."""
    deadline = time.monotonic() + seconds
    pause = 0.05
    while not probe():
        state = supervisor.states().get(name, "absent")
        if state in ("FATAL", "absent") or time.monotonic() > deadline:
            log = supervisor.log(name)
            raise PlatformError(
                f"{name} did not become ready in {seconds:.0f} s (it is {state})",
                hint=f"its log: {log}",
                log_tail=tail_file(log),
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
