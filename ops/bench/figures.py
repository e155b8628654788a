"""Reading the figures of a deployment from what the API says of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def repository_of(app: dict[str, Any]) -> str:
    """Name of an app's repository, from the address that people clone from."""
    url: str = app["repo_ssh_url"]
    return url.rpartition("/")[2].removesuffix(".git")


def live_seconds(*deployments: dict[str, Any]) -> float:
    """From the (first) request to the (last) public URL answering from its new release."""
    return _between(
        min(deployment["created_at"] for deployment in deployments),
        max(deployment["live_at"] for deployment in deployments),
    )


def stage_seconds(deployment: dict[str, Any]) -> dict[str, float]:
    return {
        stage["name"]: _between(stage["started_at"], stage["ended_at"])
        for stage in deployment["stages"]
    }


def _between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
