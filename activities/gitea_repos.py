"""Repositories on the Git server."""

from __future__ import annotations

from temporalio import activity

from activities.boundary import reports_errors
from activities.contracts.apps import DELETE_REPOSITORY, AppThings
from activities.contracts.base import Confirmed
from ops.gitea import Gitea
from ops.settings import Settings


class GiteaRepositories:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @activity.defn(name=DELETE_REPOSITORY.name)
    @reports_errors
    async def delete_repository(self, things: AppThings) -> Confirmed:
        async with Gitea.connect(self._settings) as gitea:
            await gitea.delete_repository(things.repository)
        return Confirmed(gone=[f"repository {things.repository}"])
