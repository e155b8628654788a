"""Measuring what user code wrote, while user code goes on writing."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import psutil
import pytest

from activities.disk import ENTRY_BYTES, until_low, written
from activities.layers import writable_folders

MB = 1024 * 1024


def test_files_count_by_what_they_take(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3 * MB)
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(100 * MB)
    assert 3 * MB <= written([tmp_path], 1000 * MB) < 4 * MB


def test_empty_files_and_folders_count_too(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"f{number}").touch()
        (tmp_path / f"d{number}").mkdir()
    assert written([tmp_path], MB) >= 100 * ENTRY_BYTES


def test_links_are_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "large").write_bytes(b"x" * MB)
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "folder").symlink_to(elsewhere)
    (layer / "file").symlink_to(elsewhere / "large")
    (layer / "loop").symlink_to(layer)
    assert written([layer], 10 * MB) < MB // 2


def test_it_stops_when_there_is_enough(tmp_path: Path) -> None:
    for number in range(10):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "data").write_bytes(b"x" * MB)
    assert 2 * MB <= written([tmp_path], 2 * MB) < 4 * MB


def test_folders_too_deep_to_walk_are_enough(tmp_path: Path) -> None:
    top = os.open(tmp_path, os.O_RDONLY)
    here = top
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        inside = os.open("d", os.O_RDONLY, dir_fd=here)
        if here != top:
            os.close(here)
        here = inside
    try:
        assert written([tmp_path], MB) >= MB
    finally:
        os.close(here)
        os.close(top)
        # pytest's own removal is recursive, too.
        os.system(f"rm -rf '{tmp_path}/d'")


def test_what_is_gone_takes_nothing(tmp_path: Path) -> None:
    assert written([tmp_path / "never"], MB) == 0


def test_a_containers_writes_are_in_its_layer_and_its_volumes() -> None:
    found = {
        "GraphDriver": {"Data": {"UpperDir": "/layers/diff"}},
        "Mounts": [
            {"Type": "volume", "Source": "/volumes/one"},
            {"Type": "tmpfs", "Source": ""},
        ],
    }
    assert writable_folders(found) == [Path("/layers/diff"), Path("/volumes/one")]
    assert writable_folders({"GraphDriver": {"Data": None}}) == []


async def test_a_disk_is_low_when_less_than_the_floor_is_free(tmp_path: Path) -> None:
    free = psutil.disk_usage(str(tmp_path)).free // MB
    await asyncio.wait_for(until_low(tmp_path, free + 10_000), 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(until_low(tmp_path, 0), 0.05)
