from __future__ import annotations

import os
import socket
from ipaddress import IPv4Address

from activities.listening import (
    established,
    listening_ports,
    parse_established,
    parse_listening,
)
from api.workspace_node.sockets import looked_at


def test_only_listening_sockets_count() -> None:
    table = """  sl  local_address rem_address   st tx_queue rx_queue
   0: 00000000:1FBB 00000000:0000 0A 00000000:00000000
   1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000
"""
    assert parse_listening(table) == {8123}


def test_the_kernel_tells_of_a_real_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert server.getsockname()[1] in listening_ports(os.getpid())


def test_a_process_that_is_gone_listens_on_nothing() -> None:
    assert listening_ports(0) == set()


def test_only_connections_to_the_port_count() -> None:
    table = """  sl  local_address rem_address   st tx_queue rx_queue
   0: 0100407F:1FBB 0A00407F:0BB8 01 00000000:00000000
   1: 0100407F:0BB8 0B00407F:9C40 01 00000000:00000000
   2: 0100407F:1FBC 0C00407F:0BB8 06 00000000:00000000
   3: 0100407F:1FBD 0D00407F:3419 01 00000000:00000000
"""
    one = (IPv4Address("127.64.0.1"), IPv4Address("127.64.0.10"))
    other = (IPv4Address("127.64.0.1"), IPv4Address("127.64.0.13"))
    assert parse_established(table, 3000) == {one}
    assert parse_established(table, 3000, 13337) == {one, other}


def test_the_kernel_tells_of_a_real_connection() -> None:
    here = IPv4Address("127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert established(port) == set()
        with socket.create_connection(("127.0.0.1", port)):
            assert established(port) == {(here, here)}


def test_guests_and_strangers_keep_nothing_running() -> None:
    gateway, guests, one, two, other = (IPv4Address(f"10.0.0.{last}") for last in range(1, 6))
    connections = {(gateway, one), (guests, two), (gateway, other)}
    assert looked_at(connections, {one: 1, two: 2}, guests) == {1}
