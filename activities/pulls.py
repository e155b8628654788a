"""Bringing an image from the registry into the engine that runs apps. Blocking calls."""

from __future__ import annotations

from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any

from docker.errors import ImageNotFound

from activities.disk import Room
from activities.threads import Stop
from ops.errors import PlatformError
from ops.settings import Node, Settings, read_secret


def ensure_image(api: Any, settings: Settings, node: Node, image: str, stop: Stop) -> str | None:
    """Pulls ``image`` (a name with a digest) unless it is there; answers its user.

    Raises NoRoom when it would fill the disk, and Stopped after a cancel.
    """
    try:
        return image_user(api, image)
    except ImageNotFound:
        pass
    token = read_secret(settings, f"node-{node.node_id}").get_secret_value()
    auth = {"username": f"node-{node.node_id}", "password": token}
    room = Room(node.node_id, settings.disk_floor_mb, *_disks(api, settings))
    room.check()
    # Closed, or the engine goes on with what nobody waits for.
    with closing(api.pull(image, stream=True, decode=True, auth_config=auth)) as events:
        for event in events:
            stop.check()
            room.watch()
            if "error" in event:
                raise PlatformError(
                    "the image could not be pulled from the registry",
                    hint="the registry may be restarting; the pull is tried again",
                    log_tail=[str(event["error"])],
                )
    return image_user(api, image)


def image_user(api: Any, image: str) -> str | None:
    found: dict[str, Any] = api.inspect_image(image)
    user: str | None = found["Config"].get("User")
    return user


def _disks(api: Any, settings: Settings) -> list[Path]:
    """The records', and the engine's, which may have one of its own."""
    root = _data_root(api)
    return [settings.data, *([root] if root is not None and root.is_dir() else [])]


@lru_cache
def _data_root(api: Any) -> Path | None:
    """Asked for once: the engine runs two programs before it answers."""
    root = api.info().get("DockerRootDir")
    return Path(root) if root else None
