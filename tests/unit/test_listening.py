from __future__ import annotations

import os
import socket

from activities.listening import listening_ports, parse_listening


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
