"""``python -m ops.stack.alone USER COMMAND…``: becomes COMMAND, once nothing of a killed one is left.

nginx's workers outlive their master when it is killed: they go on answering by the configuration of
then, and hold the ports, so that no new master could ever begin. They run as the platform's own
user, and their parent, which would be the master, is none of theirs any more.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil

NGINX = "/usr/sbin/nginx"
#: Nobody new is answered in this time.
END_SECONDS = 0.5
#: For a busy machine; it is a matter of moments.
KILLED_SECONDS = 10.0
ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONSAFEPATH": "1"}


def left_behind(name: str, user: str) -> list[psutil.Process]:
    """Processes of this name and user whose parent has another name: it was killed, and they not."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() != name or process.username() != user:
                continue
            parent = process.parent()
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if parent is None or parent.name() != name:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def end(processes: list[psutil.Process]) -> None:
    """What they are answering is finished within a moment, or cut off."""
    for process in processes:
        _signal(process, "QUIT")
    _, alive = psutil.wait_procs(processes, timeout=END_SECONDS)
    for process in alive:
        _signal(process, "KILL")
    psutil.wait_procs(alive, timeout=KILLED_SECONDS)


def _signal(process: psutil.Process, name: str) -> None:
    try:
        process.send_signal(signal.Signals[f"SIG{name}"])
    except psutil.NoSuchProcess:
        return


def command(user: str, *argv: str) -> tuple[str, ...]:
    """The command line of this; it wants ``ENVIRONMENT``."""
    return (sys.executable, "-m", "ops.stack.alone", user, *argv)


def main(user: str, argv: list[str]) -> None:
    end(left_behind(Path(argv[0]).name, user))
    os.execv(argv[0], argv)  # noqa: S606 — our own, named by the stack


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
