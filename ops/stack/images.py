"""Base images: what is already there, else pulled, else built here; then known to the registry.

Each image is an *upstream* (pulled, or built from Debian packages) with this machine's certificate
authorities and a plain user on top, and where it has npm, with the address of this platform's own
package cache. They live under their short names in the build engine, where ``FROM`` looks first,
and under ``base/…`` in the registry: since both engines then know their layers from there, an
app's push and pull only moves the app's own layers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import docker

from ops.errors import PlatformError
from ops.settings import Settings, read_secret
from ops.stack.base_images import (
    BASE_IMAGES,
    KEY_LABEL,
    LOCAL_LABEL,
    BaseImage,
    image_id,
    image_key,
    label_of,
    local_key,
)
from ops.stack.engines import build_client, client
from ops.stack.image_maker import Maker
from ops.stack.programs import fingerprint
from ops.stack.shell import run
from ops.stack.steps import Step

ARCHIVE_DAYS = 7
"""An archive that no platform used for so long is of no platform of today."""


def ensure_base_images(settings: Settings, step: Step) -> None:
    """All base images under their short names in the build engine.

    Made once a cache: another platform on this machine loads them from its archive.
    """
    keys = {image: image_key(settings, image) for image in BASE_IMAGES}
    local = {image: local_key(settings, image) for image in BASE_IMAGES}
    archive = settings.cache / "images" / f"base-{fingerprint(*keys.values())}.tar"
    engine = build_client(settings)
    try:
        if archive.is_file() and _outdated(engine, keys):
            step.progress(0, 1, "loading")
            _docker(settings, "load", "--quiet", "--input", archive)
        outdated = _outdated(engine, keys)
        maker = Maker(settings, engine, step)
        for image in BASE_IMAGES:
            if image in outdated:
                maker.make(image)
            if label_of(engine, image.short, LOCAL_LABEL) != local[image]:
                maker.make_local(image)
    finally:
        engine.close()
    if not archive.is_file():
        archive.parent.mkdir(parents=True, exist_ok=True)
        draft = archive.with_suffix(".new")
        step.progress(0, 1, "saving")
        _docker(settings, "save", "--output", draft, *(image.portable for image in BASE_IMAGES))
        draft.replace(archive)
    archive.touch()
    for old in archive.parent.glob("base-*.tar"):
        if old.stat().st_mtime < time.time() - ARCHIVE_DAYS * 24 * 3600:
            old.unlink()
    names = ", ".join(image.short for image in outdated)
    step.note(f"made {names}" if outdated else f"{len(BASE_IMAGES)} are there")


def _outdated(engine: docker.DockerClient, keys: dict[BaseImage, str]) -> list[BaseImage]:
    return [
        image for image, key in keys.items() if label_of(engine, image.portable, KEY_LABEL) != key
    ]


def _docker(settings: Settings, *args: str | Path) -> None:
    """Docker's own command for archives of several images, which the SDK cannot make."""
    run(["docker", "--host", f"unix://{settings.build_socket}", *args], timeout=600)


def publish_base_images(settings: Settings, step: Step) -> None:
    """Pushes them to ``base/…`` and has the apps' engine pull them from there."""
    password = read_secret(settings, "control-token").get_secret_value()
    login = {"username": "base", "password": password}
    building, running = build_client(settings), client(settings)
    moved = 0
    try:
        for image in BASE_IMAGES:
            repository = f"{settings.registry}/base/{image.name}"
            full = f"{repository}:{image.tag}"
            wanted = building.images.get(image.short)
            if image_id(running, full) == image_id(building, full) == wanted.id:
                continue
            step.progress(BASE_IMAGES.index(image), len(BASE_IMAGES), image.short)
            wanted.tag(repository, image.tag)
            _followed(
                building.api.push(
                    repository, image.tag, auth_config=login, stream=True, decode=True
                ),
                f"{image.short} cannot be pushed to {settings.registry}",
            )
            _followed(
                running.api.pull(
                    repository, image.tag, auth_config=login, stream=True, decode=True
                ),
                f"{image.short} cannot be pulled from {settings.registry}",
            )
            moved += 1
    finally:
        building.close()
        running.close()
    step.note(f"{moved} moved" if moved else "in place")


def _followed(events: Iterable[dict[str, Any]], what: str) -> None:
    for event in events:
        if "error" in event:
            raise PlatformError(what, log_tail=[str(event["error"])], hint="is 7002 up?")
