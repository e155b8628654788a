"""Where an app runs: it stays where it is; a new one goes where the fewest are."""

from __future__ import annotations

import pytest

from activities.placement import Candidate, choose
from ops.errors import NodeUnavailable

GB = 1024**3


def node(
    node_id: str, *, apps: int = 0, disk: int = 50, up: bool = True, draining: bool = False
) -> Candidate:
    return Candidate(node_id, up=up, draining=draining, disk_free=disk * GB, apps=apps)


def test_an_app_stays_where_it_is() -> None:
    nodes = [node("a", apps=9, disk=1), node("b")]
    assert choose(nodes, "a", 2 * GB) == "a"
    assert choose([node("a", draining=True), node("b")], "a", 2 * GB) == "a"


@pytest.mark.parametrize("nodes", [[node("a", up=False), node("b")], [node("b")]])
def test_an_app_waits_for_its_host_to_come_back(nodes: list[Candidate]) -> None:
    with pytest.raises(NodeUnavailable, match="a, the host that the app is on, is down"):
        choose(nodes, "a", 2 * GB)


def test_a_new_app_goes_where_the_fewest_are_then_where_most_disk_is() -> None:
    assert choose([node("a", apps=2), node("b", apps=1)], None, 2 * GB) == "b"
    assert choose([node("a", disk=10), node("b", disk=20)], None, 2 * GB) == "b"
    assert choose([node("b"), node("a")], None, 2 * GB) == "a"


def test_a_new_app_avoids_hosts_that_are_down_full_or_drained() -> None:
    nodes = [node("a", up=False), node("b", disk=1), node("c", draining=True), node("d", apps=5)]
    assert choose(nodes, None, 2 * GB) == "d"


def test_what_is_lacking_is_said() -> None:
    with pytest.raises(NodeUnavailable, match="disk"):
        choose([node("a", disk=1)], None, 2 * GB)
    with pytest.raises(NodeUnavailable, match="no runtime host is up"):
        choose([node("a", up=False), node("b", draining=True)], None, 2 * GB)
