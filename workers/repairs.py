"""Asking ``deploy-{appId}`` for a repair: a record first, then the request, as for any deployment."""

from __future__ import annotations

from temporalio import activity
from temporalio.client import Client

from activities.boundary import reports_errors
from activities.contracts.base import DeploymentRef
from activities.contracts.nodes import ASK_REPAIR, Repair
from activities.records import Records
from workflows import commands
from workflows.messages import DeployRequest, OnBusy


class Repairs:
    """Lives with the workers, which know workflows; activities do not."""

    def __init__(self, records: Records, client: Client) -> None:
        self._records = records
        self._client = client

    @activity.defn(name=ASK_REPAIR.name)
    @reports_errors
    async def ask_repair(self, given: Repair) -> DeploymentRef:
        ref = await self._records.open_repair(given)
        await commands.submit(
            self._client,
            DeployRequest(
                deployment_id=ref.deployment_id,
                app_id=ref.app_id,
                user_id=ref.user_id,
                on_busy=OnBusy.QUEUE,
                repair=True,
            ),
        )
        return ref
