"""The command line as a person runs it: a process of its own, and what it shows."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.user import User

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "ops.cli")
OUTPUT_SECONDS = 30


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)

    @property
    def all(self) -> str:
        return self.out + self.err


def environment(user: User, *, signed_in: bool = True) -> dict[str, str]:
    """Of this user's terminal; the command's own memory is in their home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STUDIO_")}
    token = user.api.headers["Authorization"].removeprefix("Bearer ")
    own = {
        "PYTHONPATH": str(ROOT),
        "STUDIO_URL": user.settings.studio_url,
        "XDG_CONFIG_HOME": str(user.home),
    }
    return kept | own | ({"STUDIO_TOKEN": token} if signed_in else {})


async def studio(
    user: User,
    *words: str,
    given: str = "",
    signed_in: bool = True,
    variables: Mapping[str, str] | None = None,
) -> Said:
    """Run a command to its end, with ``variables`` in its environment."""
    done = await asyncio.to_thread(
        subprocess.run,
        [*COMMAND, *words],
        env=environment(user, signed_in=signed_in) | dict(variables or {}),
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


async def done(user: User, *words: str, given: str = "") -> str:
    """What a command that has to succeed prints."""
    said = await studio(user, *words, given=given)
    assert said.code == 0, said
    return said.out


async def answered(user: User, *words: str) -> Any:
    """The document of a command that has to succeed."""
    return json.loads(await done(user, *words, "--json"))


class Running:
    """A command that goes on until it is interrupted."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    @asynccontextmanager
    async def of(cls, user: User, *words: str) -> AsyncIterator[Running]:
        process = await asyncio.create_subprocess_exec(
            # What a shell runs in the background ignores Ctrl-C, and so do its children.
            *("env", "--default-signal=INT"),
            *COMMAND,
            *words,
            env=environment(user) | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            yield cls(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def until(self, wanted: str) -> str:
        """What was printed up to the first line with ``wanted`` in it, and that line."""
        assert self.process.stdout is not None
        seen: list[str] = []
        try:
            async with asyncio.timeout(OUTPUT_SECONDS):
                while not seen or wanted not in seen[-1]:
                    line = await self.process.stdout.readline()
                    assert line, f"it ended: {seen} {await self._errors()}"
                    seen.append(line.decode())
        except TimeoutError:
            raise AssertionError(f"{wanted!r} did not come; seen: {seen}") from None
        return "".join(seen)

    async def interrupted(self) -> Said:
        """Ctrl-C; how it ended."""
        self.process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(self.process.communicate(), OUTPUT_SECONDS)
        assert self.process.returncode is not None
        return Said(self.process.returncode, out.decode(), err.decode())

    async def _errors(self) -> str:
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()
