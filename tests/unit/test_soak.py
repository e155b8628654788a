"""The watch over a new release, after whoever watched was gone for a moment: a killed worker, or a
machine that lost its power, perhaps twice."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.contracts.runtime import HealthInput, RouteTarget, SoakInput
from activities.health import Health
from ops.error_codes import ErrorCode
from ops.errors import from_application_error
from ops.settings import Settings

STARTS = 1.0
"""Seconds until it listens; a release that is watched is given up for less than that."""
NEVER = 3600.0
BEFORE = RouteTarget(release_id=6, address="172.20.0.6", port=3000)


@dataclass
class SlowToStart:
    """A container and its route. It runs, but answers only some time after it was started."""

    runs: bool = True
    exit_code: int = 0
    started: int = 0
    started_at: str = "2126-01-01T00:00:00.123456789Z"
    routes: list[RouteTarget | None] = field(default_factory=list)
    port: int = 0

    def inspect(self, container: str) -> dict[str, Any]:
        return {
            "State": {
                "Running": self.runs,
                "ExitCode": self.exit_code,
                "Pid": 0,
                "StartedAt": self.started_at,
            }
        }

    after_exit = inspect

    def start(self, container: str) -> None:
        self.runs = True
        self.started += 1

    def log_tail(self, container: str) -> list[str]:
        return []

    @asynccontextmanager
    async def ended(self, container: str) -> AsyncIterator[asyncio.Event]:
        event = asyncio.Event()
        if not self.runs:
            event.set()
        yield event

    def write(self, app_id: int, slug: str, target: RouteTarget | None) -> None:
        self.routes.append(target)

    @asynccontextmanager
    async def listening_soon(self, seconds: float = STARTS) -> AsyncIterator[None]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            writer.close()

        async def listen() -> None:
            await asyncio.sleep(seconds)
            async with await asyncio.start_server(answer, "127.0.0.1", self.port):
                await asyncio.Event().wait()

        task = asyncio.create_task(listen())
        yield
        task.cancel()

    async def soak(self, attempt: int, health_seconds: float = 10) -> None:
        check = HealthInput(
            container="c", host="shop", address="127.0.0.1", port=self.port, path="/", seconds=0.5
        )
        health = Health(Settings(health_seconds=health_seconds), self, self)  # type: ignore[arg-type]
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, attempt=attempt)
        await environment.run(
            health.soak, SoakInput(app_id=7, slug="shop", check=check, back=BEFORE)
        )


async def test_an_app_that_starts_anew_is_waited_for_before_it_is_watched() -> None:
    """A second power cut finds it started by whoever came back from the first."""
    app = SlowToStart()
    async with app.listening_soon():
        await app.soak(attempt=3)
    assert (app.routes, app.started) == ([], 0)


async def test_one_that_ended_with_the_machine_is_started_again() -> None:
    app = SlowToStart(runs=False, exit_code=255)
    async with app.listening_soon():
        await app.soak(attempt=2)
    assert (app.routes, app.started) == ([], 1)


@pytest.mark.parametrize(
    ("app", "attempt", "code"),
    [
        (SlowToStart(), 1, ErrorCode.APP_STOPPED_LISTENING),
        (SlowToStart(), 2, ErrorCode.APP_LISTENS_NOWHERE),
        # It ran all along, and has stopped answering: nobody waits for it.
        (SlowToStart(started_at="1926-01-01T00:00:00Z"), 2, ErrorCode.APP_STOPPED_LISTENING),
        (SlowToStart(runs=False, exit_code=3), 2, ErrorCode.APP_EXITED),
        (SlowToStart(runs=False, exit_code=255), 1, ErrorCode.APP_EXITED),
    ],
)
async def test_what_is_wrong_with_the_app_itself_leads_back(
    app: SlowToStart, attempt: int, code: ErrorCode
) -> None:
    async with app.listening_soon(NEVER):
        with pytest.raises(ApplicationError) as failure:
            await app.soak(attempt, health_seconds=0.3)
    assert from_application_error(failure.value).code is code
    assert app.routes == [BEFORE]
    assert app.started == 0
