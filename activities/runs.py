"""Runs of a workspace: an app's dev server, a build, an install, one at a time.

The launcher in the container starts the task and outlives this worker. Which of the engine's
commands it is, is kept in a folder of the platform's own; from the user's disk only the log is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr
from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities import launcher
from activities.boundary import heartbeating, in_thread, reports_errors
from activities.contracts.base import Confirmed
from activities.contracts.workspace import (
    DEV_PORT,
    FOLLOW_RUN,
    START_RUN,
    STOP_RUN,
    FollowRunInput,
    RunEnded,
    RunReady,
    RunRef,
    StartRunInput,
)
from activities.run_plan import Plan, plan
from activities.run_records import (
    Begun,
    BusyRuns,
    log_tail,
    noted_exit,
    read_begun,
    run_records,
    write_begun,
)
from activities.watches import Pauses
from activities.workspace_exec import Execs
from activities.workspace_home import Homes, OpenTree
from ops.errors import Conflict, NodeUnavailable, StudioError
from ops.nodeclient import NodeClient
from ops.settings import Node, Settings

READY = "run_ready"
STOP_SECONDS = launcher.GRACE_SECONDS + 5
AGAIN_SECONDS = 0.25

_PYTHON = ["python3", "-I", "-c", Path(launcher.__file__).read_text()]


def launch_argv(given: StartRunInput, made: Plan, log_bytes: int) -> list[str]:
    """How the container is told to run a task."""
    told = {
        "run_id": given.run_id,
        "task": given.task.value,
        "cwd": f"/workspace/apps/{given.app_id}",
        "steps": made.steps,
        "env": made.env,
        "log_bytes": log_bytes,
    }
    return [*_PYTHON, json.dumps(told)]


def handed(own: dict[str, SecretStr]) -> dict[str, str]:
    """The owner's variables as the launcher takes them: never as an argument, which others may see,
    and under other names, so that none of them changes how the launcher itself runs."""
    pairs = (f"{key}={value.get_secret_value()}" for key, value in sorted(own.items()))
    return {f"{launcher.HANDED}{number}": pair for number, pair in enumerate(pairs)}


class Runs:
    """Starts, follows and stops runs on one workspace node."""

    def __init__(
        self,
        settings: Settings,
        node: Node,
        client: Client,
        execs: Execs,
        control: NodeClient,
    ) -> None:
        self._settings = settings
        self._node = node
        self._client = client
        self._execs = execs
        self._control = control
        self._busy = BusyRuns(settings.max_runs, node.node_id)
        self._homes = Homes(settings, node.node_id)

    @activity.defn(name=START_RUN.name)
    @reports_errors
    async def start_run(self, given: StartRunInput) -> None:
        """Asked twice for one run id, it starts one. Raises SourceError when the app has no such task,
        NodeUnavailable when as many run here as may."""
        async with heartbeating():
            with self._busy.starting(given.user_id):
                await self._start(given)

    async def _start(self, given: StartRunInput) -> None:
        await self._execs.container_state(given.user_id)
        record = self._record(given.user_id, given.run_id)
        known = read_begun(record)
        state = await self._execs.inspect(known.exec_id) if known else None
        if known is None or state is None:
            made = await in_thread(self._plan, given)
            argv = launch_argv(given, made, self._settings.log_bytes)
            own = await self._control.run_environment(
                given.user_id, given.app_id, at_build=not given.task.serves
            )
            exec_id = await self._execs.create(given.user_id, argv, env=handed(own), output=False)
            known = Begun(exec_id, made.keeps_prefix)
            await in_thread(write_begun, record, known)
        elif state.started:
            return
        await self._execs.start_detached(known.exec_id)

    @activity.defn(name=STOP_RUN.name)
    @reports_errors
    async def stop_run(self, given: RunRef) -> Confirmed:
        """Everything that the run started is gone afterwards."""
        gone = Confirmed(gone=[f"run {given.run_id}"])
        async with heartbeating():
            known = read_begun(self._record(given.user_id, given.run_id))
            ended = known is not None and await self._end(known.exec_id)
            if not ended:
                with contextlib.suppress(Conflict):
                    await self._execs.run(given.user_id, [*_PYTHON, "sweep"])
        return gone

    @activity.defn(name=FOLLOW_RUN.name)
    @reports_errors
    async def follow_run(self, given: FollowRunInput) -> RunEnded:
        """Returns when the run has ended. A cancel, or this worker's end, leaves the run alone.

        Raises NodeUnavailable when the worker shuts down: the next one follows on.
        """
        async with heartbeating():
            with self._busy.followed(given.user_id):
                return await self._follow(given)

    async def _follow(self, given: FollowRunInput) -> RunEnded:
        known = read_begun(self._record(given.user_id, given.run_id))
        if known is not None:
            async with self._ended(known.exec_id) as ended:
                await self._until(given, known, ended)
        state = await self._execs.inspect(known.exec_id) if known else None
        code = state.exit_code if state is not None else None
        return await in_thread(self._result, given, code)

    async def _until(self, given: FollowRunInput, known: Begun, ended: asyncio.Event) -> None:
        waiting = asyncio.create_task(ended.wait())
        closing = asyncio.create_task(activity.wait_for_worker_shutdown())
        telling = asyncio.create_task(self._tell_when_ready(given, known))
        try:
            await asyncio.wait([waiting, closing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (waiting, closing, telling):
                task.cancel()
        if not ended.is_set():
            raise NodeUnavailable(
                f"{self._node.node_id} is shutting down", hint="the run goes on meanwhile"
            )

    async def _tell_when_ready(self, given: FollowRunInput, known: Begun) -> None:
        if not given.serves:
            return
        pauses = Pauses()
        while not await self._execs.accepts(self._node, given.user_id, DEV_PORT):
            await pauses.next()
        workflow_id = activity.info().workflow_id
        assert workflow_id is not None
        workflow = self._client.get_workflow_handle(workflow_id)
        ready = RunReady(
            user_id=given.user_id, run_id=given.run_id, keeps_prefix=known.keeps_prefix
        )
        while True:
            try:
                await workflow.signal(READY, ready)
                return
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return
            await asyncio.sleep(AGAIN_SECONDS)

    @asynccontextmanager
    async def _ended(self, exec_id: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set the moment the launcher ends."""
        event = asyncio.Event()
        async with self._execs.process(exec_id) as fd:
            if fd is None:
                event.set()
                yield event
                return
            loop = asyncio.get_running_loop()
            loop.add_reader(fd, event.set)
            try:
                yield event
            finally:
                loop.remove_reader(fd)

    async def _end(self, exec_id: str) -> bool:
        """Whether the launcher was there and has ended by itself, and with it all of the run."""
        async with self._ended(exec_id) as ended:
            if ended.is_set():
                return False
            await self._execs.kill(exec_id, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), STOP_SECONDS)
                return True
            await self._execs.kill(exec_id)
            return False

    def _plan(self, given: StartRunInput) -> Plan:
        with self._homes.app(given.user_id, given.app_id) as folder:
            return plan(
                OpenTree.of(folder),
                given.task,
                base_path=given.base_path,
                public_url=given.public_url,
            )

    def _result(self, given: FollowRunInput, code: int | None) -> RunEnded:
        try:
            with self._homes.disk(given.user_id) as disk:
                known = code if code is not None else noted_exit(disk, given.run_id)
                return RunEnded(exit_code=known, log_tail=log_tail(disk, given.run_id))
        except StudioError:
            return RunEnded(exit_code=code)

    def _record(self, user_id: int, run_id: int) -> Path:
        return run_records(self._settings, self._node) / f"u-{user_id}" / f"{run_id}"
