"""Base images that are kept for the next platform: as they were in the registry, or not at all."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from pathlib import Path

from ops.stack.base_images import BASE_IMAGES, BaseImage
from ops.stack.image_cache import ImageCache
from tests.support.platform import Platform

DEBIAN = BASE_IMAGES[0]


def tell(_: str) -> None:
    """Nobody looks at the progress."""


def cache(platform: Platform, folder: Path) -> ImageCache:
    return ImageCache(platform.settings.model_copy(update={"cache": folder}), "key")


def kept(folder: Path) -> Path:
    return folder / "images" / "base-key"


def test_what_is_kept_is_what_the_registry_has(platform: Platform, tmp_path: Path) -> None:
    own = cache(platform, tmp_path)
    assert not own.restore([DEBIAN], tell)
    own.keep([DEBIAN], tell)
    manifest = json.loads((kept(tmp_path) / f"{DEBIAN.name}.json").read_text())
    for blob in (manifest["config"], *manifest["layers"]):
        file = kept(tmp_path) / "blobs" / blob["digest"].removeprefix("sha256:")
        assert file.stat().st_size == blob["size"]
    assert [path.name for path in kept(tmp_path).parent.iterdir()] == ["base-key"]
    assert own.restore([DEBIAN], tell)


def test_what_was_damaged_is_thrown_away(platform: Platform, tmp_path: Path) -> None:
    """So that the images are made anew, and kept then."""
    own = cache(platform, tmp_path)
    own.keep([DEBIAN], tell)
    unknown = BaseImage(name=f"tests-{secrets.token_hex(6)}", tag="1", recipe="debian")
    shutil.move(kept(tmp_path) / f"{DEBIAN.name}.json", kept(tmp_path) / f"{unknown.name}.json")
    for blob in (kept(tmp_path) / "blobs").iterdir():
        blob.write_bytes(blob.read_bytes()[:-1])
    assert not own.restore([unknown], tell)
    assert not own.is_there()


def test_what_nobody_uses_any_more_goes(platform: Platform, tmp_path: Path) -> None:
    own = cache(platform, tmp_path)
    own.keep([DEBIAN], tell)
    images = kept(tmp_path).parent
    (images / "base-old").mkdir()
    (images / "base-old.tar").write_text("an archive of an earlier version")
    (images / "base-new").mkdir()
    week = 7 * 24 * 3600
    for name in ("base-old", "base-old.tar"):
        _aged(images / name, week + 60)
    own.drop_old()
    assert {path.name for path in images.iterdir()} == {"base-key", "base-new"}


def _aged(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))
