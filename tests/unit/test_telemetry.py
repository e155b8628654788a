"""Logs hold no secret, whatever wrote them; spans go into a file one a line."""

from __future__ import annotations

from pydantic import SecretStr

from ops.logs import MASK, redact
from ops.telemetry import interceptors


def test_secrets_are_masked_by_type_by_key_and_inside_urls() -> None:
    event = {
        "event": "connecting to mongodb://db_1:hunter2@172.28.255.1:27017/db_1",
        "password": "a",
        "headers": {"Authorization": "Bearer x", "Accept": "*/*"},
        "items": [SecretStr("b"), "plain", {"api_key": "c"}],
        "value": SecretStr("d"),
        "tokens_left": 3,
        "token": None,
        "deployment_id": 7,
    }
    assert redact(None, "info", event) == {
        "event": f"connecting to mongodb://db_1:{MASK}@172.28.255.1:27017/db_1",
        "password": MASK,
        "headers": {"Authorization": MASK, "Accept": "*/*"},
        "items": [MASK, "plain", {"api_key": MASK}],
        "value": MASK,
        "tokens_left": MASK,
        "token": None,
        "deployment_id": 7,
    }


def test_without_tracing_there_are_no_interceptors() -> None:
    assert interceptors() == []
