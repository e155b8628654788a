"""Children die with their parent, with a cancel, and before the next attempt: real processes."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from activities import orphans
from activities.child import end, kill_predecessor, spawn, start_time
from activities.threads import Stop, Stopped, in_stoppable_thread
from ops.settings import Settings

# A leader that starts a process of its own and prints that one's pid.
FAMILY = ["sh", "-c", "sleep 300 & echo $!; wait"]


async def start(tmp_path: Path) -> tuple[asyncio.subprocess.Process, int, Path]:
    pid_file = tmp_path / "build.pid"
    process = await spawn(FAMILY, env=dict(os.environ), cwd=tmp_path, pid_file=pid_file)
    assert process.stdout is not None
    return process, int(await process.stdout.readline()), pid_file


def gone(pid: int, seconds: float = 3.0) -> bool:
    deadline = time.monotonic() + seconds
    while start_time(pid) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


async def test_end_kills_the_whole_group(tmp_path: Path) -> None:
    process, grandchild, pid_file = await start(tmp_path)
    await end(process, pid_file)
    assert gone(process.pid)
    assert gone(grandchild)
    assert not pid_file.exists()
    await end(process, pid_file)


async def test_the_next_attempt_kills_its_predecessor(tmp_path: Path) -> None:
    process, grandchild, pid_file = await start(tmp_path)
    assert await asyncio.to_thread(kill_predecessor, pid_file)
    assert gone(grandchild)
    assert not kill_predecessor(pid_file)
    await process.wait()


def test_a_recycled_pid_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "300"], start_new_session=True)
    pid_file = tmp_path / "build.pid"
    started = start_time(other.pid)
    assert started is not None
    pid_file.write_text(f"{other.pid} {started - 1}")
    try:
        assert not kill_predecessor(pid_file)
        assert start_time(other.pid) is not None
        assert not pid_file.exists()
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("text", ["", "x y", "1", "-1 5"])
def test_a_damaged_pid_file_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    pid_file = tmp_path / "build.pid"
    pid_file.write_text(text)
    assert not kill_predecessor(pid_file)


PARENT = """
import asyncio, os, pathlib, sys
from activities import orphans
from activities.child import spawn

async def main():
    folder = pathlib.Path(sys.argv[1])
    process = await spawn(["sleep", "300"], env=dict(os.environ), cwd=folder, pid_file=folder / "p")
    print(process.pid, flush=True)
    await asyncio.sleep(300)

asyncio.run(main())
"""


def test_a_child_dies_with_the_worker_that_started_it(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    # PDEATHSIG is set between fork and exec of the child: give it that moment.
    time.sleep(0.2)
    assert start_time(child) is not None
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert gone(child)


def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parent: str) -> int:
    """A build step's group as the kernel shows it; its process was started by ``parent``."""
    program = tmp_path / parent
    shutil.copy("/bin/sh", program)
    started = subprocess.Popen(
        [program, "-c", "sleep 300 & echo $!; wait"], stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    pid = int(started.stdout.readline())
    group = tmp_path / "cgroup/pids/studio-builds/buildkit/step"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text(f"{pid}\n")
    monkeypatch.setattr(orphans, "CGROUPS", tmp_path / "cgroup")
    return pid


def test_a_step_without_its_engine_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = step(tmp_path, monkeypatch, "init")
    assert orphans.kill_orphans(Settings()) == 1
    assert gone(pid)


def test_a_step_of_a_living_engine_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = step(tmp_path, monkeypatch, "runc")
    try:
        assert orphans.kill_orphans(Settings()) == 0
        assert start_time(pid) is not None
    finally:
        os.kill(pid, signal.SIGKILL)


def test_no_builds_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "CGROUPS", tmp_path)
    assert orphans.kill_orphans(Settings()) == 0


async def test_a_cancel_waits_until_the_thread_has_stopped() -> None:
    ended = []

    def work(stop: Stop) -> None:
        try:
            while True:
                stop.check()
                time.sleep(0.02)
        except Stopped:
            time.sleep(0.1)
            ended.append(True)
            raise

    task = asyncio.create_task(in_stoppable_thread(work))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


async def test_results_and_errors_of_a_thread_come_through() -> None:
    assert await in_stoppable_thread(lambda stop: 3) == 3

    def fails(stop: Stop) -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        await in_stoppable_thread(fails)
