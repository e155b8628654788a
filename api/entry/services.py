"""What the endpoints stand on: one of each a process, made at start and closed at the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import httpx
from temporalio.client import Client
from temporalio.runtime import Runtime

from api.entry.watch import Watcher
from ops.crypto import Vault
from ops.db.session import Database
from ops.error_codes import ErrorCode
from ops.errors import NodeUnavailable
from ops.gitea import Gitea
from ops.passwords import Passwords
from ops.prometheus import Prometheus
from ops.settings import Settings, read_secret
from ops.telemetry import interceptors, send_trace
from ops.temporal import connect

CONTROL_TIMEOUT = httpx.Timeout(10.0, connect=3.0)


@dataclass
class Services:
    """``temporal_client`` is None until Temporal was reached for the first time."""

    settings: Settings
    database: Database
    passwords: Passwords
    vault: Vault
    gitea: Gitea
    control: httpx.AsyncClient
    workspaces: httpx.AsyncClient
    watcher: Watcher
    prometheus: Prometheus
    temporal_client: Client | None = None

    @classmethod
    def make(cls, settings: Settings) -> Services:
        """Opens no connection yet: every server may still be away."""
        database = Database.connect(settings)
        token = read_secret(settings, "entry-token").get_secret_value()
        return cls(
            settings=settings,
            database=database,
            passwords=Passwords(),
            vault=Vault.open(settings),
            gitea=Gitea.connect(settings),
            control=httpx.AsyncClient(
                base_url=settings.control_url,
                headers={"Authorization": f"Bearer {token}"},
                timeout=CONTROL_TIMEOUT,
                # A proxy of the environment is for the world outside, not for our own hosts.
                trust_env=False,
                event_hooks={"request": [send_trace]},
            ),
            workspaces=httpx.AsyncClient(
                headers={"Authorization": f"Bearer {token}"},
                timeout=CONTROL_TIMEOUT,
                # As many streams as there are editors; nginx limits who gets here.
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=50),
                trust_env=False,
                event_hooks={"request": [send_trace]},
            ),
            watcher=Watcher(database),
            prometheus=Prometheus.connect(settings),
        )

    @property
    def temporal(self) -> Client:
        if self.temporal_client is None:
            raise NodeUnavailable(
                "the deploy control does not answer just now",
                code=ErrorCode.CONTROL_AWAY,
                hint="try again in a minute",
            )
        return self.temporal_client

    async def reach_temporal(self, runtime: Runtime | None = None) -> None:
        """Waits for Temporal for as long as it takes; later outages are the client's own matter."""
        self.temporal_client = await connect(
            self.settings, process="entry", runtime=runtime, interceptors=interceptors()
        )

    async def close(self) -> None:
        await self.watcher.close()
        await asyncio.gather(
            self.gitea.close(),
            self.control.aclose(),
            self.workspaces.aclose(),
            self.prometheus.close(),
            self.database.close(),
        )
