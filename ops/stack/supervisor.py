"""Our supervisord: started once, told by its socket, always given the programs of today."""

from __future__ import annotations

import resource
import time
import xmlrpc.client
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from ops.errors import PlatformError
from ops.settings import Settings
from ops.stack import strays
from ops.stack.programs import CHECKOUT, Program
from ops.stack.render import render, write
from ops.stack.shell import clean_environment, run, tail_file

ALIVE = ("STARTING", "RUNNING", "BACKOFF", "STOPPING")
ENOUGH_FILES = 65536


def open_files() -> int:
    """How many files a process may hold open: plenty, or as many as this machine lets root have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, ENOUGH_FILES)


class Supervisor:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.socket = settings.run / "supervisor.sock"
        self.config = settings.etc / "supervisord.conf"

    @property
    def rpc(self) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        return xmlrpc.client.ServerProxy("http://supervisor", transport=transport).supervisor

    def is_up(self) -> bool:
        if not self.socket.exists():
            return False
        try:
            return bool(self.rpc.getState()["statename"] == "RUNNING")
        except (OSError, xmlrpc.client.Error, ValueError):
            return False

    def ensure(self, programs: Sequence[Program], python: str) -> None:
        """Writes the programs down; starts supervisord, or has it take what changed."""
        text = render(
            "supervisord.conf",
            run=self.settings.run,
            logs=self.settings.logs,
            programs=programs,
            environments={p.name: self._environment(p) for p in programs},
            open_files=open_files(),
        )
        write(self.config, text, mode=0o600)
        if not self.is_up():
            self._start(python)
            return
        added, changed, removed = self.rpc.reloadConfig()[0]
        self.stop_all([*removed, *changed])
        for name in [*removed, *changed]:
            self.rpc.removeProcessGroup(name)
        for name in [*changed, *added]:
            self.rpc.addProcessGroup(name)

    def _start(self, python: str) -> None:
        self.socket.unlink(missing_ok=True)
        environment = clean_environment(PYTHONPATH=str(CHECKOUT))
        run([python, "-m", "ops.stack.supervisord", "-c", self.config], env=environment)
        deadline = time.monotonic() + 10
        while not self.is_up():
            if time.monotonic() > deadline:
                raise PlatformError(
                    "supervisord does not answer",
                    log_tail=tail_file(self.settings.logs / "supervisord.log"),
                )
            time.sleep(0.05)

    def _environment(self, program: Program) -> dict[str, str]:
        return {
            **program.environment,
            "STUDIO_FINGERPRINT": program.fingerprint,
            strays.MARK: strays.mark(self.settings, program.stop_signal),
        }

    def states(self) -> dict[str, str]:
        if not self.is_up():
            return {}
        return {info["name"]: info["statename"] for info in self.rpc.getAllProcessInfo()}

    def start(self, name: str) -> bool:
        """True when it had to be started; does not wait until it is ready."""
        if self.rpc.getProcessInfo(name)["statename"] in ALIVE:
            return False
        try:
            self.rpc.startProcess(name, False)
        except xmlrpc.client.Fault as fault:
            if not fault.faultString.startswith("ALREADY_STARTED"):
                raise PlatformError(f"{name} cannot be started: {fault.faultString}") from None
        return True

    def reload(self, name: str) -> None:
        """Has a running program read its configuration again."""
        with suppress(xmlrpc.client.Fault):
            self.rpc.signalProcess(name, "HUP")

    def stop_all(self, names: Sequence[str], seconds: float = 90) -> None:
        """Has all of them end at the same time, and waits until they have."""
        if not self.is_up():
            return
        for name in names:
            try:
                self.rpc.stopProcess(name, False)
            except xmlrpc.client.Fault as fault:
                if not fault.faultString.startswith(("NOT_RUNNING", "BAD_NAME")):
                    raise
        deadline = time.monotonic() + seconds
        while alive := [name for name in names if self.states().get(name) in ALIVE]:
            if time.monotonic() > deadline:
                raise PlatformError(f"{', '.join(alive)} did not stop")
            time.sleep(0.05)

    def log(self, name: str) -> Path:
        return self.settings.logs / f"{name}.log"

    def processes(self) -> set[int]:
        """Process ids of supervisord and all below it."""
        try:
            root = psutil.Process(int((self.settings.run / "supervisord.pid").read_text()))
            if "supervisord" not in " ".join(root.cmdline()):
                return set()
            return {root.pid, *(child.pid for child in root.children(recursive=True))}
        except (OSError, ValueError, psutil.Error):
            return set()

    def shutdown(self, timeout: float = 90) -> None:
        """Ends supervisord, which ends its programs in its own time, and waits for it."""
        if not self.is_up():
            strays.stop(self.settings)
            return
        pid = self.rpc.getPID()
        self.rpc.shutdown()
        try:
            psutil.Process(pid).wait(timeout)
        except psutil.NoSuchProcess:
            return
        except psutil.TimeoutExpired:
            raise PlatformError(f"supervisord (pid {pid}) does not end") from None
