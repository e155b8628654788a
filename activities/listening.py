"""Who listens and who is connected over TCP, read from the kernel (proc(5), net/tcp)."""

from __future__ import annotations

import sys
from ipaddress import IPv4Address
from pathlib import Path

LISTEN = "0A"
ESTABLISHED = "01"


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


def parse_established(table: str, *ports: int) -> set[tuple[IPv4Address, IPv4Address]]:
    """Own and other address of each connection to one of ``ports`` in a ``/proc/{pid}/net/tcp`` table."""
    found: set[tuple[IPv4Address, IPv4Address]] = set()
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[3] == ESTABLISHED:
            (own, _), (other, other_port) = (field.split(":") for field in fields[1:3])
            if int(other_port, 16) in ports:
                found.add((_address(own), _address(other)))
    return found


def _address(text: str) -> IPv4Address:
    """The kernel writes the four bytes as one number of the machine's own order."""
    return IPv4Address(int(text, 16).to_bytes(4, sys.byteorder))


def established(*ports: int) -> set[tuple[IPv4Address, IPv4Address]]:
    """Own and other address of each connection that this host has to one of ``ports`` elsewhere."""
    return parse_established(Path("/proc/self/net/tcp").read_text(), *ports)
