"""Runs a task inside the workspace: handed as text to the container's own ``python3 -I -c``.

It imports nothing of the platform. What it is told is one JSON argument: ``run_id``, ``task``,
``cwd``, ``steps`` (argument lists, one after the other until one fails), ``env``, ``log_bytes``.
Its output goes to ``/workspace/.studio/runs/{run_id}/log``; when that has grown to ``log_bytes`` it
becomes ``log.1`` and a new one begins. SIGTERM ends the task with everything that it started, also
what went into a session of its own. The exit code is the task's (128 + signal), and is in ``exit``.
With ``sweep`` as its argument it only ends what earlier runs left.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

HOME = "/workspace/.studio/runs"
MARK = "STUDIO_RUN"
HANDED = "STUDIO_HANDED_"
GRACE_SECONDS = 3.0
DRAIN_SECONDS = 0.3
KEEP = 5
NOT_FOUND = 127


def marked(run: str) -> list[int]:
    """Processes of one run, or of every run (""), but not this one."""
    wanted = f"\0{MARK}={run}".encode() + (b"\0" if run else b"")
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
            if wanted in b"\0" + file.read() + b"\0":
                found.append(int(name))
    return found


def sweep(run: str = "") -> None:
    """Ends what runs left behind. A process that forks meanwhile is met again."""
    for _ in range(20):
        left = marked(run)
        if not left:
            return
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        # Others' children: nothing tells when they are gone, but that they are.
        time.sleep(0.01)


def environment() -> dict[str, str]:
    """The container's own, with the variables that the app's owner has set (``KEY=value`` each)."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(HANDED)}
    handed = (value for name, value in os.environ.items() if name.startswith(HANDED))
    return own | dict(pair.split("=", 1) for pair in handed)


class Log:
    """A full disk loses lines, never the task."""

    def __init__(self, folder: str, limit: int) -> None:
        self._path = os.path.join(folder, "log")
        self._limit = limit
        self._size = 0
        self._fd = -1

    def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            if self._fd >= 0 and self._size > self._limit:
                os.replace(self._path, self._path + ".1")
                os.close(self._fd)
                self._fd, self._size = -1, 0
            if self._fd < 0:
                self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.write(self._fd, data)
            self._size += len(data)


class Run:
    """One run, from its first step to its exit code."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given
        self._id = str(given["run_id"])
        self._home = str(given.get("home", HOME))
        self._folder = os.path.join(self._home, self._id)
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._wake, told = os.pipe()
        for end in (self._wake, told):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._stop)

    def run(self) -> int:
        sweep()
        with contextlib.suppress(OSError):
            os.makedirs(self._folder, exist_ok=True)
        self._note("task", self._given["task"])
        self._note("pid", str(os.getpid()))
        self._prune()
        log = Log(self._folder, self._given["log_bytes"])
        code = 0
        for argv in self._given["steps"]:
            code = self._step(argv, log)
            if code:
                break
        sweep(self._id)
        self._note("exit", str(code))
        return code

    def _stop(self, *_: object) -> None:
        self._stopping = True
        self._to_group(signal.SIGTERM)

    def _to_group(self, number: signal.Signals) -> None:
        if self._child is not None:
            with contextlib.suppress(OSError):
                os.killpg(self._child.pid, number)

    def _note(self, name: str, text: str) -> None:
        with contextlib.suppress(OSError), open(os.path.join(self._folder, name), "w") as file:
            file.write(text)

    def _prune(self) -> None:
        """Of each kind of task the last few logs are kept."""
        same = []
        with contextlib.suppress(OSError):
            for name in os.listdir(self._home):
                with contextlib.suppress(OSError):
                    with open(os.path.join(self._home, name, "task")) as file:
                        task = file.read(20)
                    if name.isdigit() and task == self._given["task"]:
                        same.append(int(name))
        for old in sorted(same)[:-KEEP]:
            shutil.rmtree(os.path.join(self._home, str(old)), ignore_errors=True)

    def _step(self, argv: list[str], log: Log) -> int:
        if self._stopping:
            return 128 + signal.SIGTERM
        log.write(("$ " + " ".join(argv) + "\n").encode(errors="replace"))
        try:
            child = subprocess.Popen(
                argv,
                cwd=self._given["cwd"],
                env={**environment(), **self._given["env"], MARK: self._id},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            log.write(f"{error.filename or argv[0]}: {error.strerror}\n".encode())
            return NOT_FOUND
        self._child = child
        if self._stopping:
            self._to_group(signal.SIGTERM)
        self._follow(child, log)
        return child.returncode if child.returncode >= 0 else 128 - child.returncode

    def _follow(self, child: subprocess.Popen[bytes], log: Log) -> None:
        """Until the child has ended. What it left in the background may hold its output open."""
        assert child.stdout is not None
        output = child.stdout.fileno()
        reading = [self._wake, output]
        deadline = 0.0
        while True:
            ended = child.poll() is not None
            if self._stopping and not ended:
                deadline = deadline or time.monotonic() + GRACE_SECONDS
                if time.monotonic() >= deadline:
                    self._to_group(signal.SIGKILL)
            wait = DRAIN_SECONDS if ended else (0.1 if self._stopping else None)
            ready, _, _ = select.select(reading, [], [], wait)
            if self._wake in ready:
                os.read(self._wake, 4096)
            if output in ready:
                data = os.read(output, 65536)
                if data:
                    log.write(data)
                else:
                    reading.remove(output)
            if ended and (output not in reading or not ready):
                break
        child.stdout.close()


if __name__ == "__main__":
    if sys.argv[1] == "sweep":
        sweep()
        sys.exit(0)
    sys.exit(Run(json.loads(sys.argv[1])).run())
