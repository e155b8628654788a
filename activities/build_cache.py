"""A runner's build cache is kept below a size: what was unused for longest goes first."""

from __future__ import annotations

import structlog

from activities.boundary import in_thread
from activities.engine import Engine
from activities.watches import for_ever
from ops.settings import Settings

LOOK_SECONDS = 300.0

log = structlog.get_logger()


class BuildCache:
    """The cache of the build engine of one host, for all runners there."""

    def __init__(self, settings: Settings) -> None:
        self._keep = settings.build_cache_mb * 1024 * 1024
        self._engine = Engine(settings)

    async def watch(self) -> None:
        """For as long as the worker runs."""
        await for_ever("build_cache", self.prune, LOOK_SECONDS)

    async def prune(self) -> int:
        """How many bytes were freed. What a running build uses stays."""
        freed = await in_thread(self._engine.prune_cache, self._keep)
        if freed:
            log.info("build_cache.pruned", freed=freed, keep=self._keep)
        return freed
