"""The tree's shape: imports flow one way, and a process imports only what its role needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_imports_flow_one_way() -> None:
    """ops ← activities ← workflows ← api ← workers, as import-linter's contract says."""
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("workers.control", ["docker", "dulwich"]),
        ("workflows.deploy", ["docker", "dulwich", "pymongo", "sqlmodel", "fastapi"]),
        ("api.entry.app", ["docker", "dulwich", "pymongo"]),
        ("workers.host", ["docker", "dulwich", "pymongo", "sqlmodel"]),
    ],
)
def test_a_process_imports_only_what_its_role_needs(module: str, never: list[str]) -> None:
    code = f"import sys, {module}; print([m for m in {never!r} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
