"""The platform that tests run against: their own, beside whatever else runs on the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import xmlrpc.client
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from ops.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
TEST_ENVIRONMENT = {
    "STUDIO_HOME": "/var/lib/fun-ai-studio-test",
    "STUDIO_PLATFORM": "studiotest",
    "STUDIO_NAME_PREFIX": "studiotest-",
    "STUDIO_PORT_OFFSET": "500",
    "STUDIO_SUBNET_BASE": "172.29",
    "STUDIO_SOAK_SECONDS": "1.5",
    "STUDIO_HEALTH_SECONDS": "12",
    "STUDIO_MAX_APPS": "50",
    "STUDIO_MAX_LIVE": "50",
    "STUDIO_APP_DISK_MB": "128",
    "STUDIO_IMAGE_MB": "700",
    "STUDIO_SIGN_IN_ATTEMPTS": "5",
    "STUDIO_TRACE_FILE": "/var/lib/fun-ai-studio-test/traces.jsonl",
}


class Platform:
    """Starts with ``ops/up``; ends with ``ops/down --purge``. Kills what a test wants killed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod
    def attach(cls) -> Platform:
        """The platform that ``STUDIO_HOME`` names, as it runs: for work on a test, not for CI."""
        return cls(load_settings())

    @classmethod
    def up(cls, *options: str) -> Platform:
        os.environ.update(TEST_ENVIRONMENT)
        subprocess.run([ROOT / "ops" / "up", *options], check=True, stdin=subprocess.DEVNULL)
        return cls(load_settings())

    def down(self) -> None:
        subprocess.run([ROOT / "ops" / "down", "--purge"], check=True, stdin=subprocess.DEVNULL)

    # --- processes ---------------------------------------------------------------------------

    @property
    def _supervisor(self) -> Any:
        transport = SupervisorTransport(
            None, None, f"unix://{self.settings.run / 'supervisor.sock'}"
        )
        return xmlrpc.client.ServerProxy("http://supervisor", transport).supervisor

    def pid(self, program: str) -> int:
        """Process id of a supervised program, 0 while it has none."""
        info: dict[str, Any] = self._supervisor.getProcessInfo(program)
        return int(info["pid"])

    def programs(self) -> list[str]:
        return [str(info["name"]) for info in self._supervisor.getAllProcessInfo()]

    def kill(self, program: str) -> int:
        """``kill -9`` of a program, as the out-of-memory killer would; answers the pid it had."""
        pid = self.pid(program)
        assert pid, f"{program} does not run"
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self, program: str) -> None:
        """A graceful stop by the supervisor; it stays stopped."""
        self._supervisor.stopProcess(program)

    def start(self, program: str) -> None:
        self._supervisor.startProcess(program)

    def log(self, program: str) -> str:
        path = self.settings.logs / f"{program}.log"
        return path.read_text(errors="replace") if path.exists() else ""
