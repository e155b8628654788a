"""What keeps a workspace from idling: whatever a person does with its files, Git and terminals.

Previews and the sockets of a hot reload are looked at where they are open: see
``tests/end_to_end/test_share_links.py`` and ``test_workspace_preview.py``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute

from api.workspace_node import (
    archives,
    code,
    files,
    git,
    health,
    ready,
    run_log,
    search,
    terminal,
    watch,
)

ONLY_LOOKED_AT = {
    run_log.read_log: "a tab that nobody looks at follows it too",
    health.health: "it is the doctor who asks",
}
PARTS = (files, archives, search, watch, terminal, code, git, run_log, health, ready)
ENDPOINTS: list[Callable[..., Any]] = [
    route.endpoint
    for part in PARTS
    for route in part.router.routes
    if isinstance(route, APIRoute | APIWebSocketRoute)
]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.__name__)
def test_what_a_person_does_is_use(endpoint: Callable[..., Any]) -> None:
    tells = "touch" in inspect.getsource(endpoint)
    assert tells != (endpoint in ONLY_LOOKED_AT)


def test_there_are_endpoints_to_look_at() -> None:
    assert len(ENDPOINTS) > 20
