"""One ``ssh-agent`` a user: what runs in the container can use the user's key, and never read it.

An agent outlives its worker, as the container does. It runs as the container's own user, since it
answers nobody else; its socket's folder is all that the container sees of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr

from activities.child import kill_predecessor, start_time
from activities.container_spec import UNPRIVILEGED
from ops.errors import PlatformError
from ops.stack import strays

START_SECONDS = 5.0
MEMORY_BYTES = 128 * 1024 * 1024
FILES = 64
ASK_SECONDS = 5.0
POLL_SECONDS = 0.005
USER, GROUP = (int(number) for number in UNPRIVILEGED.split(":"))
SOCKET = "agent.sock"


class Agents:
    """The agents of one node. All calls block and may be repeated."""

    def __init__(self, home: Path) -> None:
        self.home = home / "agents"
        self.home.mkdir(mode=0o711, parents=True, exist_ok=True)

    def folder(self, user_id: int) -> Path:
        """What the container has at ``/run/studio``."""
        return self.home / f"u-{user_id}"

    def known(self) -> list[int]:
        """Of whom there is one, or was when its worker was killed."""
        return [int(folder.name[2:]) for folder in self.home.glob("u-*") if folder.is_dir()]

    def is_ready(self, user_id: int) -> bool:
        """It answers, and holds a key (its user may have locked it or taken the key away)."""
        socket = self.folder(user_id) / SOCKET
        return socket.exists() and _ask(socket, ["ssh-add", "-l"]) == 0

    def ensure(self, user_id: int, private_key: SecretStr) -> None:
        if self.is_ready(user_id):
            return
        self.end(user_id)
        folder = self.folder(user_id)
        folder.mkdir(mode=0o700, exist_ok=True)
        shutil.chown(folder, USER, GROUP)
        self._start(user_id)
        # ssh-add wants a newline at the end of a key.
        key = private_key.get_secret_value().rstrip("\n") + "\n"
        if _ask(folder / SOCKET, ["ssh-add", "-q", "-"], stdin=key) != 0:
            raise PlatformError(f"the key of user {user_id} cannot be loaded into its agent")

    def end(self, user_id: int) -> None:
        kill_predecessor(self._pid_file(user_id))
        (self.folder(user_id) / SOCKET).unlink(missing_ok=True)

    def remove(self, user_id: int) -> None:
        self.end(user_id)
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder(user_id))

    def _start(self, user_id: int) -> None:
        socket = self.folder(user_id) / SOCKET
        process = subprocess.Popen(
            agent_argv(socket),
            env=_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            user=USER,
            group=GROUP,
            extra_groups=[],
        )
        self._pid_file(user_id).write_text(f"{process.pid} {start_time(process.pid)}")
        deadline = time.monotonic() + START_SECONDS
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise PlatformError(f"the SSH agent of user {user_id} does not start")
            time.sleep(POLL_SECONDS)

    def _pid_file(self, user_id: int) -> Path:
        return self.home / f"u-{user_id}.pid"


def agent_argv(socket: Path) -> list[str]:
    """In the foreground, and without libraries that a request could have it load (``-P``).

    It is a process of the host that hostile code talks to: what it may take up has a limit.
    """
    return [
        *("prlimit", f"--as={MEMORY_BYTES}", f"--nofile={FILES}", "--core=0"),
        *("setpriv", "--no-new-privs", "ssh-agent", "-D", "-P", "", "-a", str(socket)),
    ]


def _environment(**more: str) -> dict[str, str]:
    # The mark has ops/down find the agents, which are nobody's children then.
    kept = {name: os.environ[name] for name in ("PATH", strays.MARK) if name in os.environ}
    return {**kept, **more}


def _ask(socket: Path, argv: list[str], *, stdin: str = "") -> int:
    try:
        done = subprocess.run(
            argv,
            input=stdin.encode(),
            env=_environment(SSH_AUTH_SOCK=str(socket)),
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=USER,
            group=GROUP,
            extra_groups=[],
            timeout=ASK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1
    return done.returncode
