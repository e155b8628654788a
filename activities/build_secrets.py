"""The secrets of what a runner builds: asked for at the clone, and used by what follows at once."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ops.nodeclient import BuildSecrets, NodeClient

KEPT_SECONDS = 60.0
"""Long enough for a small build. The passwords among them are good for the longest one and a few
minutes: what begins later asks for new ones."""


@dataclass(frozen=True)
class _Kept:
    secrets: BuildSecrets
    at: float


class RunnerSecrets:
    """In the memory of one runner's worker, and nowhere else."""

    def __init__(self, client: NodeClient) -> None:
        self._client = client
        self._kept: dict[int, _Kept] = {}

    async def ask(self, deployment_id: int) -> BuildSecrets:
        """As they are now. Raises what NodeClient.build_secrets does."""
        secrets = await self._client.build_secrets(deployment_id)
        now = time.monotonic()
        self._kept = {key: one for key, one in self._kept.items() if not _old(one, now)}
        self._kept[deployment_id] = _Kept(secrets, now)
        return secrets

    async def of(self, deployment_id: int) -> BuildSecrets:
        """As they were at the step before, when that was just now."""
        kept = self._kept.get(deployment_id)
        if kept is None or _old(kept, time.monotonic()):
            return await self.ask(deployment_id)
        return kept.secrets

    def forget(self, deployment_id: int) -> None:
        self._kept.pop(deployment_id, None)


def _old(kept: _Kept, now: float) -> bool:
    return now - kept.at > KEPT_SECONDS
