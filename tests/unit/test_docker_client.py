"""An engine that is away is told in words, whichever call finds it out."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from activities.docker_client import EngineClient
from ops.errors import PlatformError


def test_no_engine_listens(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="does not answer"):
        EngineClient(tmp_path / "none.sock")


def test_an_engine_that_hangs_up(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        listening.settimeout(0)
        client = EngineClient.__new__(EngineClient)
        super(EngineClient, client).__init__(base_url=f"unix://{path}", version="1.41", timeout=1)
    with pytest.raises(PlatformError, match="does not answer") as raised:
        client.containers()
    assert raised.value.hint


def test_an_engine_is_hung_up_on_when_nobody_reads_on(tmp_path: Path) -> None:
    """That is how it learns that a pull is to end."""
    path = tmp_path / "engine.sock"
    event = b'{"status": "Downloading"}\n'
    chunk = b"%x\r\n%s\r\n" % (len(event), event)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        client = EngineClient.__new__(EngineClient)
        super(EngineClient, client).__init__(base_url=f"unix://{path}", version="1.41", timeout=5)

        def serve() -> bytes:
            engine, _ = listening.accept()
            with engine:
                engine.settimeout(5)
                engine.recv(65536)
                engine.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
                return engine.recv(1)

        with ThreadPoolExecutor() as threads:
            hung_up = threads.submit(serve)
            auth = {"username": "u", "password": "p"}
            with closing(
                client.pull("x@sha256:1", stream=True, decode=True, auth_config=auth)
            ) as it:
                assert next(it) == {"status": "Downloading"}
            assert hung_up.result(5) == b""
