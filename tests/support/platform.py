"""The platform that tests run against: their own, beside whatever else runs on the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from ops.settings import Settings, load_settings
from ops.stack import strays

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
    "STUDIO_BUILD_SLOTS": "2",
    "STUDIO_BUILD_MEMORY_MB": "1536",
    "STUDIO_BUILD_STEP_MEMORY_MB": "1024",
    "STUDIO_APP_DISK_MB": "128",
    "STUDIO_IMAGE_MB": "700",
    "STUDIO_DATABASE_MB": "48",
    "STUDIO_REPOSITORY_MB": "480",
    "STUDIO_SIGN_IN_ATTEMPTS": "5",
    "STUDIO_IMPORT_CA": "/var/lib/fun-ai-studio-test/etc/import-ca.pem",
    "STUDIO_IMPORT_MB": "20",
    "STUDIO_IMPORT_SECONDS": "8",
    "STUDIO_TRACE_FILE": "/var/lib/fun-ai-studio-test/traces.jsonl",
}


def is_attached() -> bool:
    """Whether the platform is one that somebody uses, and not the tests' own."""
    return os.environ.get("STUDIO_TEST_ATTACH") == "1"


class Platform:
    """Starts with ``ops/up``; ends with ``ops/down --purge``. Kills what a test wants killed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod
    @contextmanager
    def for_tests(cls) -> Iterator[Platform]:
        """A platform of the tests' own. ``STUDIO_TEST_KEEP=1`` leaves it running for the next run,
        ``STUDIO_TEST_ATTACH=1`` takes the one that ``STUDIO_HOME`` names, as it runs.
        ``STUDIO_TEST_UP=1`` says that whoever began this run has brought it up, and ends it."""
        if is_attached():
            yield cls(load_settings())
            return
        if os.environ.get("STUDIO_TEST_UP") == "1":
            os.environ.update(TEST_ENVIRONMENT)
            yield cls(load_settings())
            return
        platform = cls.up()
        yield platform
        if os.environ.get("STUDIO_TEST_KEEP") != "1":
            platform.down()

    @classmethod
    def up(cls, *options: str) -> Platform:
        os.environ.update(TEST_ENVIRONMENT)
        subprocess.run([ROOT / "ops" / "up", *options], check=True, stdin=subprocess.DEVNULL)
        return cls(load_settings())

    def down(self) -> None:
        subprocess.run([ROOT / "ops" / "down", "--purge"], check=True, stdin=subprocess.DEVNULL)

    @contextmanager
    def reshaped(self, *options: str, **environment: str) -> Iterator[Platform]:
        """The same platform after another ``ops/up``, with other hosts and settings; the way it
        was afterwards."""
        before = self.settings
        try:
            yield Platform._again(environment, *options)
        finally:
            Platform._again(
                {
                    name: str(getattr(before, name.removeprefix("STUDIO_").lower()))
                    for name in environment
                },
                f"--workspaces={before.workspaces}",
                f"--runners={before.runners}",
                f"--runtimes={before.runtimes}",
            )

    @classmethod
    def _again(cls, environment: dict[str, str], *options: str) -> Platform:
        subprocess.run(
            [ROOT / "ops" / "up", *options],
            check=True,
            stdin=subprocess.DEVNULL,
            env=os.environ | environment,
        )
        return cls(load_settings())

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

    def signal(self, program: str, number: signal.Signals) -> None:
        os.kill(self.pid(program), number)

    def kill_for_good(self, program: str) -> None:
        """``kill -9``, as when the machine is gone: the supervisor does not bring it back."""
        self.kill(program)
        deadline = time.monotonic() + 10
        while self._supervisor.getProcessInfo(program)["statename"] != "STOPPED":
            assert time.monotonic() < deadline, f"{program} is not to be stopped"
            # Between its end and its next start there is nothing to stop.
            with suppress(xmlrpc.client.Fault):
                self._supervisor.stopProcess(program)
            time.sleep(0.02)

    def power_cut(self) -> None:
        """Everything of the platform ends at once, containers too, as when the machine loses its
        power. Afterwards the process ids that are written down are somebody else's."""
        doomed = self._family(psutil.Process(self._supervisor.getPID()))
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(strays.MARK, "").startswith(f"{self.settings.home}:"):
                    doomed += self._family(process)
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(doomed, timeout=10)
        for file in self.settings.run.glob("*.pid"):
            file.write_text(f"{os.getpid()}\n")

    @staticmethod
    def _family(process: psutil.Process) -> list[psutil.Process]:
        return [process, *process.children(recursive=True)]

    def up_again(self) -> None:
        """What an operator does then, or the machine as it starts."""
        self._again({})

    def stop(self, program: str) -> None:
        """A graceful stop by the supervisor; it stays stopped."""
        self._supervisor.stopProcess(program)

    def start(self, program: str) -> None:
        self._supervisor.startProcess(program)

    def log(self, program: str) -> str:
        path = self.settings.logs / f"{program}.log"
        return path.read_text(errors="replace") if path.exists() else ""


if __name__ == "__main__":
    # For ops/test, whose several runs of pytest share one platform.
    if sys.argv[1:] == ["up"]:
        Platform.up()
    else:
        os.environ.update(TEST_ENVIRONMENT)
        Platform(load_settings()).down()
