"""What can be wrong with the machine, said in a way that helps."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

import psutil

from ops.errors import PlatformError
from ops.stack.programs import Program


def check_ports(programs: Iterable[Program], ours: set[int]) -> None:
    """Before anything starts: no port may belong to a process that is not the platform's."""
    listeners = [
        (connection.laddr.ip, connection.laddr.port, connection.pid)
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr
    ]
    for program in programs:
        for address, port in program.listens:
            for other_address, other_port, pid in listeners:
                if port != other_port or not overlap(address, other_address) or pid in ours:
                    continue
                raise PlatformError(
                    f"port {port}, which {program.name} needs, is taken by {describe(pid)}",
                    hint="stop that process, or move the platform with STUDIO_PORT_OFFSET=1000",
                )


def overlap(one: str, other: str) -> bool:
    """Whether two listening addresses exclude each other on the same port."""
    everything = ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on
    return one == other or one in everything or other in everything


def describe(pid: int | None) -> str:
    if pid is None:
        return "a process that cannot be seen"
    try:
        return f"{psutil.Process(pid).name()} (process {pid})"
    except psutil.Error:
        return f"process {pid}"


def answers(path: Path) -> bool:
    """Whether somebody listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True
