"""Was this very source built before? What the records say of it is held against the registry.

The registry may have less than the records name: its disk was restored from an older copy.
"""

from __future__ import annotations

import asyncio

import structlog
from sqlmodel import col, select, update
from temporalio import activity

from activities.boundary import reports_errors
from activities.contracts.base import Release
from activities.contracts.records import FIND_BUILT, FindBuiltInput, FoundImage
from activities.images import Images
from activities.releases import release_of
from activities.rows import get_app, get_deployment
from ops.db.tables import Deployment
from ops.errors import PlatformError

REGISTRY_SECONDS = 3.0
"""Well within the time limit of an activity of the records, which is tried again for ever."""

log = structlog.get_logger()


class BuiltImages(Images):
    """Images by what they were built from."""

    @activity.defn(name=FIND_BUILT.name)
    @reports_errors
    async def find_built(self, given: FindBuiltInput) -> FoundImage:
        """The newest image of the app that was built from the very same, unless it is gone."""
        query = (
            select(Deployment)
            .where(
                Deployment.app_id == given.app_id,
                Deployment.build_key == given.build_key,
                col(Deployment.digest).is_not(None),
                col(Deployment.image_gone).is_(False),
            )
            .order_by(col(Deployment.id).desc())
            .limit(1)
        )
        async with self._database.session() as session:
            found = release_of((await session.exec(query)).first())
        if found is None or await self._is_there(found):
            return FoundImage(release=found)
        await self._mark_gone(given.app_id, found.digest)
        return FoundImage()

    async def _is_there(self, release: Release) -> bool:
        """Only the registry's own word that it is not there counts: one that is away may have it."""
        try:
            async with (
                asyncio.timeout(REGISTRY_SECONDS),
                self._repository(release.repository) as registry,
            ):
                return await registry.digest(release.digest) is not None
        except (PlatformError, TimeoutError) as error:
            log.warning("images.not_asked_for", digest=release.digest, error=str(error)[:300])
            return True

    async def _mark_gone(self, app_id: int, digest: str) -> None:
        """For every release that names it, so that none is started from it in vain.

        Not while it serves: its node has it, and a repair starts from there.
        """
        async with self._database.session() as session:
            app = await get_app(session, app_id, lock=True)
            live = await get_deployment(session, app.live_deployment_id)
            if live is not None and live.digest == digest:
                return
            await session.exec(
                update(Deployment)
                .where(col(Deployment.app_id) == app_id, col(Deployment.digest) == digest)
                .values(image_gone=True)
            )
        log.warning("images.gone_from_the_registry", app_id=app_id, digest=digest)
