"""Programs that outlived their supervisord (it was killed): found by a mark in their environment."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil

from ops.settings import Settings
from ops.stack import alone
from ops.stack.programs import server_user

MARK = "STUDIO_SUPERVISED"
#: Containers go on running without their engine, by these; they are no strays.
SHIMS = "containerd-shim"
STOP_SECONDS = 20


def mark(settings: Settings, stop_signal: str) -> str:
    """Value of the mark: whose it is, and how it wants to be stopped."""
    return f"{settings.home}:{stop_signal}"


def find(settings: Settings) -> Iterator[tuple[psutil.Process, str]]:
    """The first process of each stray program, with the signal that stops it."""
    for process in psutil.process_iter():
        value = _mark_of(settings, process)
        home, _, stop_signal = value.rpartition(":")
        if home != str(settings.home) or process.name().startswith(SHIMS):
            continue
        parent = process.parent()
        if parent is None or _mark_of(settings, parent) != value:
            yield process, stop_signal


def others(settings: Settings) -> set[str]:
    """Homes of other platforms that run on this machine just now."""
    marks = {
        _mark_of(settings, process)
        for process in psutil.process_iter(["name"])
        if not process.info["name"].startswith(SHIMS)
    }
    return {mark.rpartition(":")[0] for mark in marks - {""}} - {str(settings.home)}


def has_engine(settings: Settings) -> bool:
    """Whether the engine that runs apps is this platform's, also where it outlived its supervisord."""
    config = str(settings.etc / "docker.json")
    for process, _ in find(settings):
        with contextlib.suppress(psutil.Error):
            if config in process.cmdline():
                return True
    return False


def stop(settings: Settings) -> list[str]:
    """Stops strays and forgets written process ids; returns the strays' names.

    Only to be called when no supervisord of ours runs.
    """
    names = []
    strays = list(find(settings))
    for process, stop_signal in strays:
        try:
            names.append(process.name())
            process.send_signal(signal.Signals[f"SIG{stop_signal}"])
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs([process for process, _ in strays], timeout=STOP_SECONDS)
    for process in alive:
        for each in [*process.children(recursive=True), process]:
            if not each.name().startswith(SHIMS):
                each.kill()
    # Children of a killed nginx: they wrote their title over their environment.
    alone.end(alone.left_behind(Path(alone.NGINX).name, server_user(settings)))
    # After a restart of the machine the ids in these are others', and an engine will not start
    # where the one that it finds is alive.
    for file in settings.run.glob("*.pid"):
        file.unlink()
    return names


def _mark_of(settings: Settings, process: psutil.Process) -> str:
    try:
        value = process.environ().get(MARK, "")
        if not value and f"-c {settings.etc}/nginx" in " ".join(process.cmdline()):
            # nginx writes its title over its environment.
            return mark(settings, "QUIT")
        return value
    except psutil.Error:
        return ""
