"""Does a Docker engine answer? Asked with a short time limit, where the SDK would wait for long."""

from __future__ import annotations

from pathlib import Path

import httpx

from ops.plain_http import NO_CERTIFICATES

SECONDS = 1.0


def trouble(socket: Path) -> str:
    """Why the engine behind a socket cannot be used; empty when it answers. Blocks for a second."""
    try:
        answer = _get(socket, "/_ping")
    except httpx.HTTPError as error:
        return f"the engine does not answer ({type(error).__name__})"
    return "" if answer.status_code == 200 else f"the engine answers {answer.status_code}"


def container_trouble(socket: Path, name: str) -> str:
    """The same of one container, by its full name."""
    try:
        answer = _get(socket, f"/containers/{name}/json")
        if answer.status_code == 404:
            return f"there is no container {name}"
        state = str(answer.json()["State"]["Status"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return f"the engine does not tell of {name} ({type(error).__name__})"
    return "" if state == "running" else f"the container {name} is {state}"


def _get(socket: Path, path: str) -> httpx.Response:
    transport = httpx.HTTPTransport(uds=str(socket), verify=NO_CERTIFICATES)
    with httpx.Client(transport=transport, base_url="http://engine", timeout=SECONDS) as client:
        return client.get(path)
