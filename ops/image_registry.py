"""The image registry's process: serves, and at times collects what no image names any more.

    python -m ops.image_registry --config FILE --user NAME --every SECONDS --stamp FILE

Deleting an image in the registry removes its manifest; its layers stay until a collection, during
which nothing may be pushed (https://distribution.github.io/distribution/about/garbage-collection/).
So the server is then started again for reading only: images can be pulled all along, a push is
refused and tried again by its workflow. It starts anew afterwards too, since it keeps in memory
which layers it has. The signal USR1 asks for a collection now.

When it last went well is kept in the stamp, for the process after this one and as a figure.
Only the standard library: this process lives as long as the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from pathlib import Path

BINARY = "/usr/bin/docker-registry"
READ_ONLY = {"REGISTRY_STORAGE_MAINTENANCE_READONLY": "{enabled: true}"}
STOP_SECONDS = 10.0

SOON = 300.0
"""Seconds from the start to a collection that is overdue: whoever starts a platform pushes first."""
AGAIN = 3600.0
"""Seconds from a collection that failed to the next."""
LOOK = 60.0
"""Seconds between looks at the clock: what waits for longer would not count a machine's sleep."""

FIGURE = "studio_registry_collected_timestamp_seconds"

log = logging.getLogger("image_registry")


class Stamp:
    """When it was collected last, in a file that node exporter tells Prometheus."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> float:
        """Unix seconds. Where nothing was collected yet, it counts from now on."""
        try:
            return self._path.stat().st_mtime
        except FileNotFoundError:
            return self.write()

    def write(self) -> float:
        """It is now. Images are served also where that cannot be kept, on a full disk."""
        now = time.time()
        draft = self._path.with_suffix(".new")
        try:
            draft.write_text(
                f"# HELP {FIGURE} When layers that no image names were collected last\n"
                f"# TYPE {FIGURE} gauge\n"
                f"{FIGURE} {now:.0f}\n"
            )
            draft.rename(self._path)
        except OSError as error:
            log.error("when it was collected cannot be kept: %s", error)
        return now


class ImageRegistry:
    """Owns the one process that serves the registry's folder."""

    def __init__(self, config: str, user: str, every: float, stamp: Stamp) -> None:
        self._config = config
        self._user = user
        self._every = every
        self._stamp = stamp
        self._next = 0.0
        self._collect = asyncio.Event()
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Until it is told to stop; 1 when the server ended by itself."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGUSR1, self._collect.set)
        now = time.time()
        # A clock that was set back keeps nothing from being collected.
        self._next = max(now + SOON, min(self._stamp.read(), now) + self._every)
        while not self._stop.is_set():
            server = await self._start("serve")
            if not await self._serves(server):
                return 1
            await _end(server)
            if not self._stop.is_set():
                await self._collected()
        return 0

    async def _serves(self, server: asyncio.subprocess.Process) -> bool:
        """Waits for a reason to end the server; False when it ended first."""
        waits = [
            asyncio.ensure_future(one)
            for one in (server.wait(), self._stop.wait(), self._collect.wait())
        ]
        try:
            while (left := self._next - time.time()) > 0:
                done, _ = await asyncio.wait(
                    waits, timeout=min(left, LOOK), return_when=asyncio.FIRST_COMPLETED
                )
                if done:
                    break
        finally:
            for wait in waits:
                wait.cancel()
        self._collect.clear()
        return server.returncode is None

    async def _collected(self) -> None:
        reading = await self._start("serve", environment=READ_ONLY)
        try:
            collector = await self._start("garbage-collect", output=asyncio.subprocess.DEVNULL)
            code = await collector.wait()
        finally:
            await _end(reading)
        if code == 0:
            self._next = self._stamp.write() + self._every
            log.info("collected what no image names")
        else:
            self._next = time.time() + min(self._every, AGAIN)
            log.error("what no image names could not be collected, exit code %s", code)

    async def _start(
        self, command: str, *, environment: dict[str, str] | None = None, output: int | None = None
    ) -> asyncio.subprocess.Process:
        """Starts it as its own user, and so that the kernel ends it with this process."""
        return await asyncio.create_subprocess_exec(
            *("setpriv", f"--reuid={self._user}", f"--regid={self._user}", "--init-groups"),
            *("--pdeathsig", "KILL", BINARY, command, self._config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            env=os.environ | (environment or {}),
        )


async def _end(process: asyncio.subprocess.Process) -> None:
    """It finishes what it answers just now, within a few seconds."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serves the image registry.")
    parser.add_argument("--config", required=True)
    parser.add_argument("--user", required=True, help="whom the server runs as")
    parser.add_argument("--every", type=float, required=True, help="seconds between collections")
    parser.add_argument(
        "--stamp", type=Path, required=True, help="file that tells when it was collected last"
    )
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    registry = ImageRegistry(given.config, given.user, given.every, Stamp(given.stamp))
    sys.exit(asyncio.run(registry.run()))


if __name__ == "__main__":
    main()
