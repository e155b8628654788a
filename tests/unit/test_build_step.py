"""The limits of each step of a build, written where the real runc reads them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from ops.settings import Settings
from ops.stack import build_step, files

LIMITS = {"pids": 512, "memory": 2**31}


def test_a_step_gets_its_limits_and_keeps_the_rest() -> None:
    spec = {"process": {"args": ["npm"]}, "linux": {"cgroupsPath": "/b/1", "resources": {"x": 1}}}
    limited = build_step.limited(spec, **LIMITS)
    assert limited["process"] == {"args": ["npm"], "oomScoreAdj": 800}
    assert limited["linux"]["cgroupsPath"] == "/b/1"
    assert limited["linux"]["resources"] == {
        "x": 1,
        "pids": {"limit": 512},
        "memory": {"limit": 2**31},
    }


@pytest.mark.parametrize(("given", "kept"), [(16, 16), (9999, 512), (0, 512), (-1, 512)])
def test_only_a_lower_limit_stays(given: int, kept: int) -> None:
    spec = {"linux": {"resources": {"pids": {"limit": given}}}}
    assert build_step.limited(spec, **LIMITS)["linux"]["resources"]["pids"] == {"limit": kept}


@pytest.mark.parametrize(("given", "kept"), [(None, 800), (-500, 800), (0, 800), (1000, 1000)])
def test_the_kernel_ends_a_step_before_the_platform(given: int | None, kept: int) -> None:
    spec = {"process": {"oomScoreAdj": given}}
    assert build_step.limited(spec, **LIMITS)["process"] == {"oomScoreAdj": kept}


@pytest.mark.parametrize("spec", [{}, {"linux": None}, {"linux": {"resources": None}}])
def test_a_step_without_resources(spec: dict[str, object]) -> None:
    assert build_step.limited(spec, **LIMITS)["linux"]["resources"]["memory"] == {"limit": 2**31}


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ("--log x --log-format json run --bundle {bundle} --keep step", True),
        ("create -b {bundle} step", True),
        ("kill --all step 9", False),
        ("delete --force step", False),
    ],
)
def test_the_real_runc_is_called_with_the_same_words(
    tmp_path: Path, words: str, changed: bool
) -> None:
    """As dockerd calls it, by a program of its own name, which stands in for runc here."""
    settings = Settings(home=tmp_path / "a folder", build_step_pids=77)
    real = tmp_path / "real"
    real.mkdir()
    (real / "runc").write_text('#!/bin/sh\necho "$@"; env | grep -c STUDIO_ ; exit 3\n')
    (real / "runc").chmod(0o755)
    ours = tmp_path / "runc"
    ours.write_text(files.build_runc(settings).replace("PATH=", f"PATH={real}:", 1))
    ours.chmod(0o755)
    config = tmp_path / "config.json"
    config.write_text("{}")

    argv = words.format(bundle=tmp_path).split()
    done = subprocess.run([ours, *argv], capture_output=True, text=True, check=False, env={})
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines() == [" ".join(argv), "0"]
    assert os.access(config, os.R_OK)
    found = json.loads(config.read_text())
    assert (found.get("linux", {}).get("resources", {}).get("pids") == {"limit": 77}) is changed
