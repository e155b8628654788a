"""The launcher, run as the container runs it: as text, by a Python of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from activities import launcher
from activities.runs import handed

# It ends what other runs left; here it must not see those of a platform on this machine.
SOURCE = Path(launcher.__file__).read_text().replace("STUDIO_RUN", f"STUDIO_TEST_{os.getpid()}")
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts the launcher beside the test; run ids are of this test alone."""

    def start(*steps: list[str], run_id: int = 0, **more: object) -> subprocess.Popen[bytes]:
        given = {
            "run_id": run_id or 10_000_000 + os.getpid(),
            "task": "dev",
            "cwd": str(tmp_path),
            "steps": steps,
            "env": {"GREETING": "hello"},
            "log_bytes": 10_000,
            "home": str(tmp_path / "runs"),
        } | more
        return subprocess.Popen([sys.executable, "-I", "-c", SOURCE, json.dumps(given)])

    return start


def test_what_it_is_handed_reaches_the_task_and_nothing_else(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {
        "SECRET": "a=b\nc",
        "GREETING": "the platform's counts",
        "PYTHONSTARTUP": "/nowhere",
    }
    for name, pair in handed({key: SecretStr(value) for key, value in own.items()}).items():
        monkeypatch.setenv(name, pair)
    started = start(["sh", "-c", 'printf "%s|%s|" "$SECRET" "$GREETING"; env | grep -c HANDED'])
    argv = Path(f"/proc/{started.pid}/cmdline").read_bytes()
    started.wait(10)
    assert log(tmp_path).endswith("a=b\nc|hello|0\n")
    assert b"a=b" not in argv
    assert "a=b" not in log(tmp_path).splitlines()[0]


def log(tmp_path: Path) -> str:
    (found,) = (tmp_path / "runs").glob("*/log")
    return found.read_text()


def until(holds: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_steps_until_one_fails(start: Start, tmp_path: Path) -> None:
    code = start(
        ["sh", "-c", "echo $GREETING"], ["sh", "-c", "echo bad >&2; exit 7"], ["echo", "never"]
    ).wait(10)
    assert code == 7
    assert log(tmp_path).splitlines()[1::2] == ["hello", "bad"]
    (folder,) = (tmp_path / "runs").iterdir()
    assert (folder / "exit").read_text() == "7"


def test_what_cannot_be_started_is_told(start: Start, tmp_path: Path) -> None:
    assert start(["no-such-program"]).wait(10) == 127
    assert "no-such-program: No such file or directory" in log(tmp_path)
    assert start(["true"], cwd=str(tmp_path / "gone"), run_id=5).wait(10) == 127


def test_stop_ends_everything_that_was_started(start: Start, tmp_path: Path) -> None:
    """Also a child that ignores the polite signal, and one in a session of its own."""
    script = (
        "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > escaped; while :; do sleep 1; done' &"
        " echo $$ > child; while :; do sleep 1; done"
    )
    running = start(["sh", "-c", script])
    until(lambda: (tmp_path / "escaped").exists() and (tmp_path / "child").exists())
    begun = time.monotonic()
    running.send_signal(signal.SIGTERM)
    assert running.wait(10) == 128 + signal.SIGKILL
    assert time.monotonic() - begun < launcher.GRACE_SECONDS + 2
    for name in ("escaped", "child"):
        pid = int((tmp_path / name).read_text())
        until(lambda pid=pid: not Path(f"/proc/{pid}").exists())  # type: ignore[misc]


def test_a_child_in_the_background_does_not_hold_the_end_up(start: Start, tmp_path: Path) -> None:
    begun = time.monotonic()
    assert start(["sh", "-c", "sleep 60 & echo $! > pid; exit 3"]).wait(10) == 3
    assert time.monotonic() - begun < 3
    pid = (tmp_path / "pid").read_text().strip()
    until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_flood_of_output_is_cut(start: Start, tmp_path: Path) -> None:
    assert start(["sh", "-c", "yes | head -c 300000; echo last"]).wait(20) == 0
    assert log(tmp_path).endswith("last\n")
    for path in (tmp_path / "runs").glob("*/log*"):
        assert path.stat().st_size <= 10_000 + 2 * 65536


def test_the_last_logs_of_each_kind_are_kept(start: Start, tmp_path: Path) -> None:
    for number in range(1, 8):
        assert start(["true"], run_id=number).wait(10) == 0
    assert start(["true"], run_id=8, task="build").wait(10) == 0
    kept = sorted(int(path.name) for path in (tmp_path / "runs").iterdir())
    assert kept == [3, 4, 5, 6, 7, 8]
