"""Which workspaces are asked to come back: those that are open and have no container for a while."""

from __future__ import annotations

import os
from pathlib import Path

from activities.workspace_home import Homes
from api.workspace_node.missing import Missing
from ops.settings import Settings


def test_one_whose_container_is_away_at_two_looks_is_asked_once() -> None:
    missing = Missing()
    assert missing.look({1, 2, 3}, {1, 2, 3}) == set()
    assert missing.look({1, 2, 3}, {1}) == set()
    # The second was being closed: now its disk is given back as well.
    assert missing.look({1, 3}, {1}) == {3}
    missing.asked(3)
    assert missing.look({1, 3}, {1}) == set()


def test_one_that_could_not_be_asked_is_asked_again() -> None:
    missing = Missing()
    missing.look({3}, set())
    assert missing.look({3}, set()) == {3}
    assert missing.look({3}, set()) == {3}


def test_one_that_came_back_may_go_away_again() -> None:
    missing = Missing()
    for _ in range(2):
        missing.look({3}, set())
        assert missing.look({3}, set()) == {3}
        missing.asked(3)
        assert missing.look({3}, {3}) == set()


def test_what_is_no_mounted_disk_is_nobodys(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    homes = Homes(settings, "workspace-87")
    assert homes.mounted() == set()
    disks = settings.node_home("workspace-87") / "disks"
    (disks / "u-1").mkdir(parents=True)
    (disks / "u-2.img").write_bytes(b"")
    os.symlink("/proc", disks / "u-3")
    assert homes.mounted() == set()
