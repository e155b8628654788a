"""Which TCP ports a container's processes listen on, read from the kernel (proc(5), net/tcp)."""

from __future__ import annotations

from pathlib import Path

LISTEN = "0A"


def parse_listening(table: str) -> set[int]:
    """Ports in state LISTEN of a ``/proc/{pid}/net/tcp`` table."""
    ports: set[int] = set()
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[3] == LISTEN:
            ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def listening_ports(pid: int) -> set[int]:
    """Ports that the network namespace of ``pid`` listens on; empty when it is gone (pid 0)."""
    ports: set[int] = set()
    if pid <= 0:
        return ports
    for table in ("tcp", "tcp6"):
        try:
            ports |= parse_listening(Path(f"/proc/{pid}/net/{table}").read_text())
        except OSError:
            continue
    return ports
