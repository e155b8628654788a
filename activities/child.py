"""Child processes that never outlive their purpose.

Each child leads a process group of its own (one signal ends it with everything it started), is
killed by the kernel when the worker dies (PDEATHSIG), and is known by a pid file, so that the next
attempt can end a predecessor that is still there all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.errors import PlatformError

GONE_SECONDS = 5.0
POLL_SECONDS = 0.01


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot: with the pid it names one process for good.

    None when there is none, or only what is left of one (a zombie runs nothing).
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the program's name, which may hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


async def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    pid_file: Path,
    limit: int = 1 << 16,
) -> asyncio.subprocess.Process:
    """Starts ``argv`` with stdout and stderr as one stream.

    PDEATHSIG follows the thread that started the child: call it from the main thread's loop.
    ``setpriv`` sets it rather than a hook between fork and exec, which is unsafe beside threads.
    """
    process = await asyncio.create_subprocess_exec(
        "setpriv",
        "--pdeathsig",
        "KILL",
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(env),
        cwd=cwd,
        start_new_session=True,
        limit=limit,
    )
    started = start_time(process.pid)
    if started is not None:
        written = pid_file.with_suffix(".new")
        written.write_text(f"{process.pid} {started}")
        written.rename(pid_file)
    return process


def kill_group(pid: int) -> None:
    """SIGKILL to the group that ``pid`` leads; already gone is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


async def end(process: asyncio.subprocess.Process, pid_file: Path) -> None:
    """Kills the child with its group and waits until it is gone."""
    if process.returncode is None:
        kill_group(process.pid)
    await process.wait()
    _forget(pid_file)


def kill_predecessor(pid_file: Path) -> bool:
    """Kills what an earlier attempt left running; whether there was something. Blocks until gone.

    A recycled pid is left alone: its start time is another one.
    """
    try:
        pid, started = (int(part) for part in pid_file.read_text().split())
    except FileNotFoundError:
        return False
    except ValueError:
        _forget(pid_file)
        return False
    found = start_time(pid) == started
    if found:
        kill_group(pid)
        deadline = time.monotonic() + GONE_SECONDS
        while start_time(pid) == started:
            if time.monotonic() > deadline:
                raise PlatformError(f"process {pid} of an earlier attempt does not end")
            time.sleep(POLL_SECONDS)
    _forget(pid_file)
    return found


def _forget(pid_file: Path) -> None:
    pid_file.unlink(missing_ok=True)
