"""A host whose watch begins anew is no trouble; one of which nothing is heard is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from activities.contracts.nodes import Figures, NodeStatus
from api.entry import doctor_hosts
from api.entry.doctor_checks import Scene, Trouble
from ops.db.tables import NodeRow
from ops.hop_reasons import HopReason
from ops.settings import Settings
from tests.support.memory import RecordsInMemory

FIGURES = Figures(disk_free=10**12, slots=2)


class Watches:
    """What a host's watch says at each question; the last answer stays."""

    def __init__(self, *answers: Figures | None) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, use: Any, node_id: str) -> Figures | None:
        self.asked += 1
        return self.answers.pop(0) if self.answers[1:] else self.answers[0]


async def scene(status: NodeStatus = NodeStatus.UP) -> Scene:
    records = RecordsInMemory()
    await records.add(
        *(NodeRow(node_id=one, role="any", status=status) for one in ("runtime-102", "runner-101"))
    )
    use: Any = SimpleNamespace(settings=Settings(), database=records)
    return Scene(use=use)


def watches(monkeypatch: pytest.MonkeyPatch, *answers: Figures | None) -> Watches:
    said = Watches(*answers)
    monkeypatch.setattr(doctor_hosts, "live_figures", said)
    monkeypatch.setattr(doctor_hosts, "NEW_WATCH_SECONDS", 0.35)
    return said


async def test_a_watch_that_begins_anew_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    said = watches(monkeypatch, None, None, FIGURES)
    told = await doctor_hosts.runtime_node(await scene())
    assert (told.code, said.asked) == (HopReason.NODE_UP, 3)
    watches(monkeypatch, None, FIGURES)
    told = await doctor_hosts.runner_slot(await scene())
    assert told.code == HopReason.SLOTS_FREE


async def test_a_host_that_says_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    watches(monkeypatch, None)
    for hop in (doctor_hosts.runtime_node, doctor_hosts.runner_node):
        with pytest.raises(Trouble) as trouble:
            await hop(await scene())
        assert trouble.value.finding.code == HopReason.NODE_NO_FIGURES


async def test_a_host_that_is_down_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    said = watches(monkeypatch, None)
    for hop in (doctor_hosts.runtime_node, doctor_hosts.runner_node):
        with pytest.raises(Trouble) as trouble:
            await hop(await scene(NodeStatus.DOWN))
        assert trouble.value.finding.code == HopReason.NODE_DOWN
    assert said.asked == 0
