"""A server that begins where a killed one left its children."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ops.stack.alone import end, left_behind

#: A server with two children, as nginx has: one that ends when it is asked to, and one that does not.
SERVER = """
import os, signal, time
for manner in (signal.SIG_DFL, signal.SIG_IGN):
    if os.fork() == 0:
        signal.signal(signal.SIGQUIT, manner)
        print(os.getpid(), flush=True)
        time.sleep(60)
        os._exit(0)
time.sleep(60)
"""
USER = getpass.getuser()


@pytest.fixture
def name(tmp_path: Path) -> Iterator[str]:
    """The name of a program that nothing else on this machine has."""
    program = tmp_path / f"srv{os.getpid()}"
    shutil.copy(Path(sys.executable).resolve(), program)
    yield program.name
    # By what was read of them at once: others on this machine end meanwhile.
    processes = psutil.process_iter(["name"])
    of_test = [process for process in processes if process.info["name"] == program.name]
    for process in of_test:
        process.kill()
    psutil.wait_procs(of_test, timeout=10)


def start(directory: Path, name: str) -> tuple[subprocess.Popen[str], set[int]]:
    process = subprocess.Popen(
        [directory / name, "-c", SERVER],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONHOME": sys.base_prefix},
    )
    assert process.stdout is not None
    return process, {int(process.stdout.readline()) for _ in range(2)}


def test_children_of_a_killed_server_are_ended_and_of_a_living_one_not(
    tmp_path: Path, name: str
) -> None:
    killed, left = start(tmp_path, name)
    alive, children = start(tmp_path, name)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    found = [process for process in left_behind(name, USER) if process.pid != alive.pid]
    assert {process.pid for process in found} == left
    end(found)
    assert not any(psutil.pid_exists(pid) for pid in left)
    assert all(psutil.pid_exists(pid) for pid in children)
    assert alive.poll() is None
    alive.kill()
    alive.wait()


def test_of_another_user_or_name_are_left(tmp_path: Path, name: str) -> None:
    killed, left = start(tmp_path, name)
    killed.kill()
    killed.wait()
    assert left_behind(name, "nobody") == []
    assert left_behind(f"{name}-other", USER) == []
    assert {process.pid for process in left_behind(name, USER)} == left


def test_it_becomes_its_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ops.stack.alone", "nobody", "/bin/echo", "-n", "it"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "it"
