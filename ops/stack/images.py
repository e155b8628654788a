"""Base images: what is already there, else pulled, else built here; then known to the registry.

Each image is an *upstream* (pulled, or built from Debian packages) with this machine's certificate
authorities and a plain user on top, and where it has npm, with the address of this platform's own
package cache. They live under their short names in the build engine, where ``FROM`` looks first,
and under ``base/…`` in the registry: since both engines then know their layers from there, an
app's push and pull only moves the app's own layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
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
from ops.stack.image_cache import ImageCache
from ops.stack.image_maker import Maker
from ops.stack.programs import fingerprint
from ops.stack.steps import Step

PUSHED, PULLED = "pushed to", "pulled from"


def ensure_base_images(settings: Settings, step: Step) -> None:
    """All base images under their short names in the build engine.

    Made once a cache: another platform on this machine has what does not differ from there.
    """
    keys = {image: image_key(settings, image) for image in BASE_IMAGES}
    local = {image: local_key(settings, image) for image in BASE_IMAGES}
    building = build_client(settings)
    try:
        if _outdated(building, keys):
            _from_cache(settings, building, step)
        outdated = _outdated(building, keys)
        maker = Maker(settings, building, step)
        for image in BASE_IMAGES:
            if image in outdated:
                maker.make(image)
            if label_of(building, image.short, LOCAL_LABEL) != local[image]:
                maker.make_local(image)
    finally:
        building.close()
    names = ", ".join(image.short for image in outdated)
    step.note(f"made {names}" if outdated else f"{len(BASE_IMAGES)} are there")


def _outdated(engine: docker.DockerClient, keys: dict[BaseImage, str]) -> list[BaseImage]:
    return [
        image for image, key in keys.items() if label_of(engine, image.portable, KEY_LABEL) != key
    ]


def _cache(settings: Settings) -> ImageCache:
    keys = [image_key(settings, image) for image in BASE_IMAGES]
    return ImageCache(settings, fingerprint(*keys))


def _from_cache(settings: Settings, building: docker.DockerClient, step: Step) -> None:
    """Both engines unpack what is kept, at once."""
    if not _cache(settings).restore(BASE_IMAGES, lambda name: step.progress(0, 1, name)):
        return
    running = client(settings)

    def pulled(engine: docker.DockerClient) -> None:
        for image in BASE_IMAGES:
            _moved(engine.api.pull, settings, image, image.portable_tag, PULLED)

    step.progress(0, 1, "unpacking")
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(pulled, (building, running)))
    finally:
        running.close()
    for image in BASE_IMAGES:
        name, _, tag = image.portable.rpartition(":")
        building.images.get(f"{_repository(settings, image)}:{image.portable_tag}").tag(name, tag)


def publish_base_images(settings: Settings, step: Step) -> None:
    """Pushes them to ``base/…`` and has the apps' engine pull them from there."""
    building, running = build_client(settings), client(settings)
    moved = 0
    try:
        for image in BASE_IMAGES:
            for name, tag in ((image.portable, image.portable_tag), (image.short, image.tag)):
                full = f"{_repository(settings, image)}:{tag}"
                wanted = building.images.get(name)
                if image_id(running, full) == image_id(building, full) == wanted.id:
                    continue
                step.progress(BASE_IMAGES.index(image), len(BASE_IMAGES), image.short)
                wanted.tag(_repository(settings, image), tag)
                _moved(building.api.push, settings, image, tag, PUSHED)
                _moved(running.api.pull, settings, image, tag, PULLED)
                moved += 1
    finally:
        building.close()
        running.close()
    cache = _cache(settings)
    if not cache.is_there():
        cache.keep(BASE_IMAGES, lambda name: step.progress(0, 1, f"keeping {name}"))
    cache.drop_old()
    step.note(f"{moved} moved" if moved else "in place")


def _login(settings: Settings) -> dict[str, str]:
    password = read_secret(settings, "control-token").get_secret_value()
    return {"username": "base", "password": password}


def _repository(settings: Settings, image: BaseImage) -> str:
    return f"{settings.registry}/{image.repository}"


def _moved(
    call: Callable[..., Iterable[dict[str, Any]]],
    settings: Settings,
    image: BaseImage,
    tag: str,
    way: str,
) -> None:
    """``call`` is an engine's push or pull; ``way`` says which, for whom it fails."""
    events = call(
        _repository(settings, image), tag, auth_config=_login(settings), stream=True, decode=True
    )
    for event in events:
        if "error" in event:
            raise PlatformError(
                f"{image.short} cannot be {way} {settings.registry}",
                log_tail=[str(event["error"])],
                hint="`ops/supervisorctl tail registry` shows the registry's log",
            )
