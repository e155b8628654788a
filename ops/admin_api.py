"""The platform's own use of its public API, as the first administrator (sample app, benchmarks).

Their password is theirs to change, so what runs as root beside the records takes none.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from ops.db import accounts
from ops.errors import PlatformError
from ops.settings import Settings

POLL_SECONDS = 0.2
ENDED_SECONDS = 1800.0
"""More than a build may take; whoever waits for one is told then, and not left waiting."""
ENDED = {"SUCCEEDED", "FAILED", "CANCELLED", "ROLLED_BACK"}


async def _session(settings: Settings) -> str:
    async with accounts.records(settings) as database:
        return await accounts.new_session(database, settings.admin_email)


class AdminApi:
    """Signed in as the first administrator."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.api = httpx.Client(
            base_url=settings.entry_url,
            headers={"Host": settings.studio_url.partition("//")[2]},
            timeout=30,
            trust_env=False,
        )
        # In a thread, since there may be an event loop in this one.
        with ThreadPoolExecutor(1) as aside:
            token = aside.submit(asyncio.run, _session(settings)).result()
        self.api.headers["Authorization"] = f"Bearer {token}"

    @staticmethod
    def _ok(response: httpx.Response) -> Any:
        response.raise_for_status()
        return response.json()

    def apps(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ok(self.api.get("/api/apps"))
        return found

    def create(self, name: str, template: str | None = None) -> dict[str, Any]:
        given = {"name": name, "template": template}
        made: dict[str, Any] = self._ok(self.api.post("/api/apps", json=given))
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
        """Wait until a deployment has ended; raises PlatformError unless it SUCCEEDED in time."""
        deadline = time.monotonic() + ENDED_SECONDS
        while time.monotonic() < deadline:
            found: dict[str, Any] = self._ok(self.api.get(f"/api/deployments/{deployment_id}"))
            if found["status"] in ENDED:
                if found["status"] != "SUCCEEDED":
                    error = found["error"] or {}
                    raise PlatformError(
                        f"deployment {deployment_id} ended {found['status']}: {error.get('what')}",
                        hint=error.get("hint", ""),
                        log_tail=error.get("log_tail"),
                    )
                return found
            time.sleep(POLL_SECONDS)
        raise PlatformError(
            f"deployment {deployment_id} has not ended within {ENDED_SECONDS / 60:g} minutes",
            hint="ops/studio doctor says what is in its way; in the Temporal UI it is"
            f" deployment-{deployment_id}",
        )
