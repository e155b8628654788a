"""What a node asks of the deploy control (7002): the secrets of what is placed on it, and whether
it drains.

They never pass through a workflow's history; a node gets only those of its own deployments, and
only while they run.
"""

from __future__ import annotations

from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, SecretStr

from ops.errors import PlatformError, StudioError, from_problem
from ops.settings import Settings, read_secret
from ops.telemetry import send_trace

TIMEOUT = httpx.Timeout(10, connect=2)


class BuildSecrets(BaseModel):
    """What a build needs and no history may hold."""

    model_config = ConfigDict(frozen=True)

    git_url: str
    git_token: SecretStr
    registry_user: str
    registry_password: SecretStr
    push_user: str
    push_password: SecretStr
    build_env: dict[str, SecretStr] = {}


class WorkspaceKey(BaseModel):
    """What a workspace pushes with, and the name that its commits get."""

    model_config = ConfigDict(frozen=True)

    private_key: SecretStr
    email: str


class NodeClient:
    """One per process; keeps its connection. Raises PlatformError while 7002 is away."""

    def __init__(
        self,
        settings: Settings,
        node_id: str,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        token = read_secret(settings, f"node-{node_id}").get_secret_value()
        self._http = httpx.AsyncClient(
            base_url=settings.control_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT,
            trust_env=False,
            transport=transport,
            event_hooks={"request": [send_trace]},
        )

    async def draining(self) -> bool:
        """Whether an administrator lets this node take nothing new."""
        return bool((await self._get("/node"))["draining"])

    async def build_secrets(self, deployment_id: int) -> BuildSecrets:
        """Raises Conflict or NotFound when that deployment does not run (any more)."""
        return BuildSecrets.model_validate(await self._get(f"/deployments/{deployment_id}/build"))

    async def environment(self, deployment_id: int) -> dict[str, SecretStr]:
        """The whole environment that the app's container starts with."""
        answer = await self._get(f"/deployments/{deployment_id}/environment")
        return {key: SecretStr(value) for key, value in answer["env"].items()}

    async def workspace_key(self, user_id: int) -> WorkspaceKey:
        """Of a user whose workspace is on this node. Raises Forbidden for any other."""
        return WorkspaceKey.model_validate(await self._get(f"/workspaces/{user_id}/key"))

    async def run_environment(
        self, user_id: int, app_id: int, *, at_build: bool
    ) -> dict[str, SecretStr]:
        """What the owner of an app has set for it. Raises Forbidden for a workspace elsewhere."""
        path = f"/workspaces/{user_id}/apps/{app_id}/environment"
        answer = await self._get(f"{path}?at_build={str(at_build).lower()}")
        return {key: SecretStr(value) for key, value in answer["env"].items()}

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _get(self, path: str) -> dict[str, Any]:
        try:
            response = await self._http.get(path)
        except httpx.TransportError as error:
            raise PlatformError(
                f"the deploy control does not answer ({type(error).__name__})",
                hint="it is tried again by itself",
            ) from None
        if response.is_success:
            answer: dict[str, Any] = response.json()
            return answer
        raise _error(response)


def _error(response: httpx.Response) -> StudioError:
    """The error of the tree that a problem+json answer names; anything else is the platform's."""
    try:
        return from_problem(response.json())
    except (ValueError, KeyError, TypeError):
        return PlatformError(
            f"the deploy control answered {response.status_code} to {response.request.url.path}"
        )
