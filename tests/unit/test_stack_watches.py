"""The kernel's limits on watches: raised by every platform, given back by the last."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.stack import watches

BEFORE = ["128\n", "8192\n", str(watches.MOST)]


@pytest.fixture
def limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The last of them is beyond reach already."""
    made = [tmp_path / name for name in ("instances", "files", "sockets")]
    for limit, value in zip(made, BEFORE, strict=True):
        limit.write_text(value)
    monkeypatch.setattr(watches, "LIMITS", tuple(made))
    monkeypatch.setattr(watches, "RECORD", tmp_path / "record")
    return made


def values(limits: list[Path]) -> list[int]:
    return [int(limit.read_text()) for limit in limits]


def test_the_last_platform_gives_back_what_was_before(limits: list[Path]) -> None:
    for platform in ("studio", "other", "studio"):
        watches.raise_limits(platform)
        assert values(limits) == [watches.MOST] * 3
    watches.give_back("studio")
    assert values(limits) == [watches.MOST] * 3
    watches.give_back("other")
    assert values(limits) == [int(value) for value in BEFORE]


def test_what_somebody_else_has_set_meanwhile_stays(limits: list[Path]) -> None:
    watches.raise_limits("studio")
    limits[0].write_text("5000")
    watches.give_back("studio")
    assert values(limits) == [5000, 8192, watches.MOST]


def test_a_platform_that_raised_nothing_gives_nothing_back(limits: list[Path]) -> None:
    watches.give_back("studio")
    assert values(limits) == [int(value) for value in BEFORE]


def test_what_is_set_between_two_times_is_what_was_before(limits: list[Path]) -> None:
    watches.raise_limits("studio")
    limits[0].write_text("5000")
    watches.raise_limits("studio")
    watches.give_back("studio")
    assert values(limits)[0] == 5000
