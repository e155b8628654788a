"""The platform's side of the benchmark: over its public API, as any user."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import httpx

from ops.settings import Settings, read_secret

ENDED = {"SUCCEEDED", "FAILED", "CANCELLED", "ROLLED_BACK"}


class PlatformSide:
    """Signed in as the first administrator."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.api = httpx.Client(
            base_url=settings.entry_url,
            headers={"Host": settings.studio_url.partition("//")[2]},
            timeout=30,
            trust_env=False,
        )
        password = read_secret(settings, "admin-password").get_secret_value()
        given = {"email": settings.admin_email, "password": password}
        token = self._ok(self.api.post("/api/auth/login", json=given))["token"]
        self.api.cookies.clear()
        self.api.headers["Authorization"] = f"Bearer {token}"

    @staticmethod
    def _ok(response: httpx.Response) -> Any:
        response.raise_for_status()
        return response.json()

    def create(self, name: str) -> dict[str, Any]:
        made: dict[str, Any] = self._ok(self.api.post("/api/apps", json={"name": name}))
        return made

    def delete(self, app_id: int) -> None:
        self.api.delete(f"/api/apps/{app_id}")

    def begin(self, app_id: int) -> int:
        answer = self.api.post(f"/api/apps/{app_id}/deployments", json={})
        deployment_id: int = self._ok(answer)["id"]
        return deployment_id

    def rollback(self, app_id: int) -> int:
        deployment_id: int = self._ok(self.api.post(f"/api/apps/{app_id}/rollback", json={}))["id"]
        return deployment_id

    def ended(self, deployment_id: int) -> dict[str, Any]:
        while True:
            found: dict[str, Any] = self._ok(self.api.get(f"/api/deployments/{deployment_id}"))
            if found["status"] in ENDED:
                if found["status"] != "SUCCEEDED":
                    raise RuntimeError(f"deployment {deployment_id} ended: {found}")
                return found
            time.sleep(0.05)


def repository_of(app: dict[str, Any]) -> str:
    """Name of an app's repository, from the address that people clone from."""
    url: str = app["repo_ssh_url"]
    return url.rpartition("/")[2].removesuffix(".git")


def live_seconds(deployment: dict[str, Any]) -> float:
    """From the request to the public URL answering from the new release."""
    return _between(deployment["created_at"], deployment["live_at"])


def stage_seconds(deployment: dict[str, Any]) -> dict[str, float]:
    return {
        stage["name"]: _between(stage["started_at"], stage["ended_at"])
        for stage in deployment["stages"]
    }


def _between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
