"""An engine that is away is told in words, whichever call finds it out."""

from __future__ import annotations

import socket
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
