"""Trees of files, and being told of what changes in them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from activities.beneath import Folder
from api.workspace_node.inotify import Gone, Watch
from api.workspace_node.listing import MOST_ENTRIES, tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "main.js").write_text("main")
    return folder


def paths(root: Path, path: str = "", *, everything: bool = False) -> list[str]:
    with Folder.at(root) as folder:
        return [entry["path"] for entry in tree(folder, path, everything=everything)["entries"]]


def test_what_is_left_out_and_what_is_not_followed(root: Path) -> None:
    (root / "node_modules" / "x").mkdir(parents=True)
    (root / "etc").symlink_to("/etc")
    (root / "up").symlink_to("..")
    (root / os.fsdecode(b"bad\xff")).write_text("")
    os.mkfifo(root / "fifo")
    with Folder.at(root) as folder:
        found = {e["path"]: e["type"] for e in tree(folder, "")["entries"]}
    assert found == {
        "src": "folder",
        "src/main.js": "file",
        "etc": "link",
        "up": "link",
        "fifo": "other",
        "bad\ufffd": "file",
    }
    assert paths(root, "src") == ["src/main.js"]
    assert "node_modules/x" in paths(root, everything=True)


def test_twenty_thousand_entries_come_quickly(root: Path) -> None:
    for folder in range(100):
        made = root / f"f{folder}"
        made.mkdir()
        for number in range(210):
            os.close(os.open(made / f"{number}", os.O_CREAT))
    with Folder.at(root) as folder_:
        tree(folder_, "")
        begun = time.perf_counter()
        found = tree(folder_, "")
        took = time.perf_counter() - begun
    assert found["truncated"]
    assert len(found["entries"]) == MOST_ENTRIES
    assert took < 1
    print(f"20,000 entries in {took * 1000:.0f} ms")


class Seen:
    def __init__(self, root: Path) -> None:
        self.watch = Watch(lambda: Folder.at(root))

    def changes(self) -> dict[str, str]:
        return {change.path: change.what for change in self.watch.read()}

    def close(self) -> None:
        self.watch.close()


@pytest.fixture
def seen(root: Path) -> Iterator[Seen]:
    with closing(Seen(root)) as made:
        yield made


def test_changes_are_told(root: Path, seen: Seen) -> None:
    assert seen.changes() == {}
    (root / "new").write_text("x")
    assert seen.changes() == {"new": "created"}
    (root / "new").write_text("y")
    assert seen.changes() == {"new": "modified"}
    (root / "new").rename(root / "newer")
    assert seen.changes() == {"new": "deleted", "newer": "created"}
    (root / "src" / "main.js").unlink()
    assert seen.changes() == {"src/main.js": "deleted"}


def test_new_folders_are_followed_and_moved_ones_by_their_new_name(root: Path, seen: Seen) -> None:
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "c").write_text("")
    assert set(seen.changes()) >= {"a", "a/b", "a/b/c"}
    (root / "a" / "b" / "d").write_text("")
    assert seen.changes() == {"a/b/d": "created"}
    (root / "a").rename(root / "z")
    assert set(seen.changes()) >= {"a", "z"}
    (root / "z" / "b" / "d").write_text("again")
    assert seen.changes() == {"z/b/d": "modified"}


def test_what_is_not_watched(root: Path, tmp_path: Path) -> None:
    (root / "node_modules").mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "link").symlink_to(outside)
    with closing(Seen(root)) as seen:
        (outside / "secret").write_text("x")
        (root / "node_modules" / "x").write_text("x")
        (root / ".git").mkdir()
        assert seen.changes() == {}


def test_a_folder_that_goes_away(root: Path, seen: Seen) -> None:
    (root / "src" / "main.js").unlink()
    (root / "src").rmdir()
    assert "src" in seen.changes()
    root.rmdir()
    with pytest.raises(Gone):
        seen.changes()
