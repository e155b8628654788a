"""What the routes share, and the records they look up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import httpx
from fastapi import Depends, Request

from activities.contracts.base import DeploymentStatus
from activities.database_sizes import DatabaseSizes
from api.deploy_control.registry_tokens import BuildPasswords, RegistryIssuer
from ops.crypto import Vault
from ops.db.session import Database
from ops.db.tables import App, Deployment
from ops.error_codes import ErrorCode
from ops.errors import NotFound
from ops.logstore import LogStore
from ops.settings import Settings


@dataclass(frozen=True)
class State:
    settings: Settings
    database: Database
    vault: Vault
    logs: LogStore
    sizes: DatabaseSizes
    agents: httpx.AsyncClient
    registry: RegistryIssuer
    passwords: BuildPasswords

    async def deployment(self, deployment_id: int) -> Deployment:
        async with self.database.session() as session:
            row = await session.get(Deployment, deployment_id)
        if row is None:
            raise NotFound(f"there is no deployment {deployment_id}")
        return row

    async def app(self, app_id: int) -> App:
        async with self.database.session() as session:
            row = await session.get(App, app_id)
        if row is None:
            raise NotFound(
                f"there is no app {app_id}", code=ErrorCode.APP_UNKNOWN, values={"id": app_id}
            )
        return row

    async def ended(self, deployment_id: int) -> bool:
        """Whether a deployment has ended (or is gone)."""
        async with self.database.session() as session:
            row = await session.get(Deployment, deployment_id)
        return row is None or DeploymentStatus(row.status).ended


def state(request: Request) -> State:
    found: State = request.app.state.state
    return found


AState = Annotated[State, Depends(state)]
