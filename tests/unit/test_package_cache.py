"""The cache of npm packages stays below its size, and loses what nobody has read for longest."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from activities import package_cache
from activities.package_cache import PackageCache
from ops.settings import Settings

KB = 1024
LARGE = 400 * KB


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, package_cache_mb=1)


@pytest.fixture
def storage(settings: Settings) -> Path:
    folder = settings.data / "verdaccio" / "storage"
    folder.mkdir(parents=True)
    return folder


def put(file: Path, read: float, written: float = 0, size: int = LARGE) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size)
    os.utime(file, (read, written))
    return file


def test_what_was_unused_for_longest_goes_and_no_more_than_has_to(
    settings: Settings, storage: Path
) -> None:
    read_long_ago = put(storage / "vue" / "vue-1.0.0.tgz", read=100)
    read_since = put(storage / "vue" / "vue-2.0.0.tgz", read=300)
    just_written = put(storage / "@types" / "node" / "node-1.0.0.tgz", read=50, written=400)
    assert PackageCache(settings).prune() == LARGE
    assert not read_long_ago.exists()
    assert read_since.exists()
    assert just_written.exists()
    assert PackageCache(settings).prune() == 0


def test_lists_of_versions_count_and_leave_no_folder_behind(
    settings: Settings, storage: Path
) -> None:
    for number in range(300):
        put(storage / f"@scope{number}" / "name" / "package.json", read=number, size=4 * KB)
    PackageCache(settings).prune()
    left = sorted(int(folder.name.removeprefix("@scope")) for folder in storage.iterdir())
    assert left == list(range(44, 300))


def test_verdaccios_own_file_stays(settings: Settings, storage: Path) -> None:
    own = put(storage / ".verdaccio-db.json", read=1, size=KB)
    for number in range(4):
        put(storage / "vue" / f"vue-{number}.tgz", read=10 + number)
    PackageCache(settings).prune()
    assert own.exists()
    assert len(list((storage / "vue").iterdir())) == 2


def test_a_cache_that_nobody_has_used_yet_is_no_error(settings: Settings) -> None:
    assert PackageCache(settings).prune() == 0


async def test_a_look_that_fails_is_not_the_last_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    enough = asyncio.Event()

    def failing() -> int:
        nonlocal looks
        looks += 1
        if looks == 3:
            enough.set()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(package_cache, "LOOK_SECONDS", 0)
    cache = PackageCache(settings)
    monkeypatch.setattr(cache, "prune", failing)
    watching = asyncio.create_task(cache.watch())
    async with asyncio.timeout(5):
        await enough.wait()
    watching.cancel()
