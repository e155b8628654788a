"""A Docker engine of the tests' own, which may be killed: the machine's belongs to everybody on it.

It shares the machine's network and makes no firewall rules: the bridges of the platform's nodes are
there already, with theirs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from ops.engine_ping import trouble
from ops.settings import Settings
from ops.stack import strays
from ops.stack.engines import ensure_networks
from ops.stack.shell import attempt
from tests.support.platform import ROOT, Platform

START_SECONDS = 30.0
STOP_SECONDS = 60.0


def ended(process: subprocess.Popen[bytes]) -> None:
    """It is asked to end, and made to when it does not."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class OwnEngine:
    def __init__(self, settings: Settings) -> None:
        self.folder = settings.home / "engine-of-tests"
        self.socket = self.folder / "docker.sock"
        self._config = self.folder / "daemon.json"
        # Should the tests be killed: it ends with what else the platform left running.
        self._environment = os.environ | {strays.MARK: strays.mark(settings, "TERM")}
        self._process: subprocess.Popen[bytes] | None = None
        self._keeps = False

    @classmethod
    @contextmanager
    def running(cls, settings: Settings) -> Iterator[OwnEngine]:
        """With the image and the networks of workspaces."""
        engine = cls(settings)
        if engine.folder.exists():
            engine._clear()
        engine.folder.mkdir(mode=0o700)
        try:
            engine.start(live_restore=False)
            engine._take(settings.workspace_image, settings.docker_socket)
            ensure_networks(settings.model_copy(update={"docker_socket": engine.socket}))
            yield engine
        finally:
            engine._stop()
            engine._remove()

    def start(self, *, live_restore: bool) -> None:
        """``live_restore``: containers that outlived the engine go on; else it ends them."""
        self._keeps = live_restore
        self._config.write_text(
            json.dumps(
                {
                    "hosts": [f"unix://{self.socket}"],
                    "data-root": str(self.folder / "data"),
                    "exec-root": str(self.folder / "run"),
                    "pidfile": str(self.folder / "docker.pid"),
                    "bridge": "none",
                    "iptables": False,
                    "userland-proxy": False,
                    "live-restore": live_restore,
                    "log-level": "warn",
                }
            )
        )
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["/usr/sbin/dockerd", "--config-file", self._config],
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        deadline = time.monotonic() + START_SECONDS
        while trouble(self.socket):
            told = (self.folder / "log").read_text(errors="replace")[-2000:]
            assert self._process.poll() is None, told
            assert time.monotonic() < deadline, told
            time.sleep(0.05)

    def kill(self) -> None:
        """``kill -9``; what ran in containers runs on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._forget_containerd()

    def _stop(self) -> None:
        """With what still runs in its containers: only an engine that keeps nothing ends that."""
        if self._process is None:
            return
        if self._keeps or self._process.poll() is not None:
            self.kill()
            self.start(live_restore=False)
        ended(self._process)

    def _clear(self) -> None:
        """Of a run that was killed: its engine may be there, and containers without one."""
        for process in psutil.process_iter(["cmdline"]):
            if str(self._config) in (process.info["cmdline"] or ()):
                process.kill()
                process.wait(STOP_SECONDS)
        self._forget_containerd()
        self.start(live_restore=False)
        self._stop()
        self._remove()

    def _remove(self) -> None:
        # An engine mounts its folder on itself; one that was killed leaves that, once for each time.
        while attempt(["umount", "--lazy", self.folder / "data"]).returncode == 0:
            continue
        shutil.rmtree(self.folder)

    def _forget_containerd(self) -> None:
        """It dies with its engine. Where nobody reaps it, the next one would wait for it."""
        (self.folder / "run" / "containerd" / "containerd.pid").unlink(missing_ok=True)

    def _take(self, image: str, source: Path) -> None:
        with subprocess.Popen(
            ["docker", "-H", f"unix://{source}", "save", image], stdout=subprocess.PIPE
        ) as saved:
            subprocess.run(
                ["docker", "-H", f"unix://{self.socket}", "load", "--quiet"],
                stdin=saved.stdout,
                stdout=subprocess.DEVNULL,
                check=True,
            )
        assert saved.returncode == 0

    @contextmanager
    def serves(self, platform: Platform, node_id: str) -> Iterator[None]:
        """The worker of a workspace node works with this engine."""
        platform.stop(node_id)
        told = {
            "STUDIO_DOCKER_SOCKET": str(self.socket),
            strays.MARK: strays.mark(platform.settings, "TERM"),
        }
        worker = subprocess.Popen(
            [sys.executable, "-m", "workers.host", "--role=workspace", f"--node={node_id}"],
            cwd=ROOT,
            env=os.environ | told,
        )
        try:
            yield
        finally:
            ended(worker)
            platform.start(node_id)
