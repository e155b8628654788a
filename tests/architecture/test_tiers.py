"""What the tables of ``tests/tiers.py`` name is there: a test that was renamed is not forgotten."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tiers import LONG, SHARE

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("module", LONG)
def test_each_long_test_is_there(module: str) -> None:
    functions = set(
        re.findall(r"^async def (test_\w+)|^def (test_\w+)", text(module), re.MULTILINE)
    )
    there = {name for pair in functions for name in pair}
    assert {name.partition("[")[0] for name in LONG[module]} <= there


@pytest.mark.parametrize("package", SHARE)
def test_each_module_that_does_not_share_is_there(package: str) -> None:
    for name in SHARE[package]:
        assert text(f"{package}/{name}")


def text(module: str) -> str:
    return (TESTS / module).read_text()
