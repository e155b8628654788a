"""Runs beside an engine that forgets, refuses, or is slow to say: what is started is started once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.contracts.workspace import FollowRunInput, RunEnded, RunRef, RunTask, StartRunInput
from activities.run_plan import Plan
from activities.run_records import BusyRuns, run_records
from activities.runs import Runs
from activities.workspace_exec import Done, ExecState
from ops.errors import Conflict, NodeUnavailable
from ops.settings import load_settings

SECRET = "only the app is told"


class Engine:
    """Commands in a container, each a process of this machine; behaves."""

    def __init__(self) -> None:
        self.made: list[tuple[str, list[str], Mapping[str, str]]] = []
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.swept = 0

    async def container_state(self, user_id: int) -> dict[str, Any]:
        return {"NetworkSettings": {"Networks": {}}}

    async def create(
        self, user_id: int, argv: Sequence[str], *, env: Mapping[str, str], output: bool
    ) -> str:
        self.made.append((f"exec-{len(self.made)}", list(argv), env))
        return self.made[-1][0]

    async def start_detached(self, exec_id: str) -> None:
        self.processes[exec_id] = subprocess.Popen(["sleep", "60"])

    async def inspect(self, exec_id: str) -> ExecState | None:
        process = self.processes.get(exec_id)
        if process is None:
            return ExecState(started=False, running=False, pid=0, exit_code=None)
        code = process.poll()
        known = None if code is None else (code if code >= 0 else 128 - code)
        return ExecState(started=True, running=code is None, pid=process.pid, exit_code=known)

    @asynccontextmanager
    async def process(self, exec_id: str) -> AsyncIterator[int | None]:
        state = await self.inspect(exec_id)
        if state is None or not state.running:
            yield None
            return
        fd = os.pidfd_open(state.pid)
        try:
            yield fd
        finally:
            os.close(fd)

    async def kill(self, exec_id: str, number: signal.Signals = signal.SIGKILL) -> None:
        self.processes[exec_id].send_signal(number)

    async def run(self, user_id: int, argv: Sequence[str]) -> Done:
        assert argv[-1] == "sweep"
        self.swept += 1
        return Done(0, b"", b"")


class EngineThatForgets(Engine):
    """As after its restart: it knows none of the commands that it was given before."""

    forgotten = False

    async def inspect(self, exec_id: str) -> ExecState | None:
        return None if self.forgotten else await super().inspect(exec_id)


class EngineThatStartsNothing(Engine):
    """It takes a command, and its container goes before it is started."""

    async def start_detached(self, exec_id: str) -> None:
        raise Conflict("the workspace is not open")


class Control:
    async def run_environment(
        self, user_id: int, app_id: int, *, at_build: bool
    ) -> dict[str, SecretStr]:
        return {} if at_build else {"KEY": SecretStr(SECRET)}


class Made:
    """The activities of a node beside one engine."""

    def __init__(self, home: Path, most: int = 30) -> None:
        self.settings = load_settings().model_copy(update={"home": home, "max_runs": most})
        self.node = next(node for node in self.settings.nodes if node.role == "workspace")
        self.engine = Engine()

    def over(self, engine: Engine) -> Runs:
        self.engine = engine
        return Runs(
            self.settings, self.node, cast(Any, None), cast(Any, engine), cast(Any, Control())
        )


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    monkeypatch.setattr(Runs, "_plan", lambda *_: Plan([["npm", "run", "dev"]]))
    made = Made(tmp_path, most=2)
    yield made
    for process in made.engine.processes.values():
        process.kill()
        process.wait()


def start(user_id: int = 1, run_id: int = 1, task: RunTask = RunTask.DEV) -> StartRunInput:
    return StartRunInput(user_id=user_id, run_id=run_id, app_id=7, task=task)


def follow(user_id: int = 1, run_id: int = 1) -> FollowRunInput:
    return FollowRunInput(user_id=user_id, run_id=run_id, serves=False)


async def followed(runs: Runs, given: FollowRunInput) -> RunEnded:
    ended: RunEnded = await ActivityEnvironment().run(runs.follow_run, given)
    return ended


async def test_asked_twice_it_starts_one_and_tells_nobody_a_secret(made: Made) -> None:
    engine = Engine()
    runs = made.over(engine)
    for _ in range(2):
        await runs.start_run(start())
    ((_, argv, env),) = engine.made
    assert list(engine.processes) == ["exec-0"]
    assert SECRET not in " ".join(argv)
    assert list(env.values()) == [f"KEY={SECRET}"]
    kept = run_records(made.settings, made.node) / "u-1" / "1"
    assert SECRET not in kept.read_text()
    await runs.start_run(start(2, task=RunTask.BUILD))
    assert engine.made[1][2] == {}


async def test_a_worker_that_died_before_it_started_what_it_made_starts_that(made: Made) -> None:
    with pytest.raises(ApplicationError):
        await made.over(EngineThatStartsNothing()).start_run(start())
    engine = Engine()
    await made.over(engine).start_run(start())
    assert (engine.made, list(engine.processes)) == ([], ["exec-0"])


async def test_what_the_engine_has_forgotten_is_started_anew_and_ends_unknown(made: Made) -> None:
    engine = EngineThatForgets()
    runs = made.over(engine)
    await runs.start_run(start())
    engine.forgotten = True
    assert await followed(runs, follow()) == RunEnded(exit_code=None)
    assert (await runs.stop_run(RunRef(user_id=1, run_id=1))).gone == ["run 1"]
    assert engine.swept == 1
    await runs.start_run(start())
    assert len(engine.made) == 2


async def test_a_run_is_followed_to_its_end_over_a_restart_of_the_worker(made: Made) -> None:
    engine = Engine()
    runs = made.over(engine)
    await runs.start_run(start())
    environment = ActivityEnvironment()
    following = asyncio.ensure_future(environment.run(runs.follow_run, follow()))
    await asyncio.sleep(0)
    environment.worker_shutdown()
    with pytest.raises(ApplicationError, match="shutting down"):
        await following
    assert engine.processes["exec-0"].poll() is None
    again = asyncio.create_task(followed(made.over(engine), follow()))
    await runs.stop_run(RunRef(user_id=1, run_id=1))
    assert await again == RunEnded(exit_code=128 + signal.SIGTERM)


async def test_the_run_after_the_most_is_refused_until_one_has_ended(made: Made) -> None:
    engine = Engine()
    runs = made.over(engine)
    for user_id in (1, 2):
        await runs.start_run(start(user_id))
    with pytest.raises(ApplicationError, match="2 runs are busy") as refused:
        await runs.start_run(start(3))
    assert refused.value.type == NodeUnavailable.__name__
    await runs.start_run(start(2, run_id=2))
    following = asyncio.create_task(followed(runs, follow(1)))
    await runs.stop_run(RunRef(user_id=1, run_id=1))
    await following
    await runs.start_run(start(3))


async def test_a_start_that_fails_gives_its_place_back(made: Made) -> None:
    runs = made.over(EngineThatStartsNothing())
    for user_id in range(1, 5):
        with pytest.raises(ApplicationError, match="not open"):
            await runs.start_run(start(user_id))


def test_a_place_that_nobody_follows_is_free_again() -> None:
    now = [0.0]
    busy = BusyRuns(1, "workspace-87", lambda: now[0])
    with busy.starting(1):
        pass
    with pytest.raises(NodeUnavailable), busy.starting(2):
        pass
    now[0] = 61.0
    with busy.starting(2):
        pass
