"""Apps write to their container's own file system, which ends with it and is limited by nothing.

So it is measured, and a container over the limit is removed. Its node is then without it, and the
release is started anew from its image, as after any other loss of a container.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import structlog
from docker.errors import DockerException

from activities.boundary import in_thread
from activities.containers import Containers
from activities.contracts.nodes import ContainerSeen
from activities.contracts.runtime import RemoveInput
from activities.disk import MEGABYTE, free, written
from activities.watches import for_ever
from ops.logship import LogShipper
from ops.settings import Settings

LOOK_SECONDS = 5.0
"""All of them are walked this often, or as soon as the disk has ``FAST_MB`` less than at that time:
at a disk's speed an app could else write many times what it may."""
GLANCE_SECONDS = 1.0
FAST_MB = 512
LOG_SOURCE = "app"

log = structlog.get_logger()


def writable_folders(found: dict[str, Any]) -> list[Path]:
    """Where on this host a container's own writes go: its layer, and volumes that its image names."""
    layer = (found.get("GraphDriver") or {}).get("Data") or {}
    volumes = [mount["Source"] for mount in found.get("Mounts") or [] if mount["Type"] == "volume"]
    return [Path(path) for path in (layer.get("UpperDir"), *volumes) if path]


class Layers:
    """The containers of one runtime node."""

    def __init__(self, settings: Settings, node_id: str, containers: Containers) -> None:
        self._settings = settings
        self._node_id = node_id
        self._containers = containers
        self._looked = -LOOK_SECONDS
        self._free = 0

    async def watch(self) -> None:
        """For as long as the worker runs."""
        await for_ever("layers", self.glance, GLANCE_SECONDS, away=(DockerException,))

    async def glance(self) -> list[str]:
        """Like ``check``, when it is time for it."""
        left = free(self._settings.data)
        recent = time.monotonic() - self._looked < LOOK_SECONDS
        if recent and self._free - left < FAST_MB * MEGABYTE:
            return []
        self._free = left
        try:
            return await self.check()
        finally:
            self._looked = time.monotonic()

    async def check(self) -> list[str]:
        """Removes what is over the limit; the names of those containers."""
        over = await in_thread(self._over)
        for seen in over:
            log.warning("layers.over_limit", app_id=seen.app_id, container=seen.name)
            await self._containers.remove_container(
                RemoveInput(app_id=seen.app_id, container=seen.name)
            )
            await self._tell(seen.release_id)
        return [seen.name for seen in over]

    def _over(self) -> list[ContainerSeen]:
        limit = self._settings.app_disk_mb * MEGABYTE
        over = []
        for seen in self._containers.of_app():
            found = self._containers.inspect(seen.name)
            if found is not None and written(writable_folders(found), limit) >= limit:
                over.append(seen)
        return over

    async def _tell(self, release_id: int) -> None:
        """In the log of the deployment that made the release: the container's own is gone."""
        async with LogShipper(self._settings, self._node_id, release_id, LOG_SOURCE) as shipper:
            await shipper.write(
                f"the app wrote more than {self._settings.app_disk_mb} MB to its container's own"
                " disk and is started anew without it: keep data in the database"
            )
