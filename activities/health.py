"""Is the new release healthy, and does it stay so? Asked on the container's own address."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import httpx
from temporalio import activity

from activities.boundary import heartbeating, in_thread, reports_errors
from activities.containers import Containers
from activities.contracts.runtime import CHECK_HEALTH, SOAK, HealthInput, SoakInput
from activities.listening import listening_ports
from activities.routes import Routes
from activities.watches import Pauses
from ops.error_codes import ErrorCode
from ops.errors import Unhealthy, Values
from ops.plain_http import NO_CERTIFICATES
from ops.settings import Settings

ATTEMPT_SECONDS = 2.0
SOAK_PAUSE = 0.2
SOAK_FAILURES = 3
"""A busy app may miss an answer; so many in a row are no accident."""

ENDED: Literal["ended"] = "ended"
UNSEEN = 255
"""The exit code of a container that ended while its engine was away (Docker knows no better)."""


@dataclass(frozen=True)
class Wrong:
    """What was seen instead of a good answer, and its codes: not healthy yet, and no longer."""

    seen: str
    before: ErrorCode
    after: ErrorCode
    values: Values


class Health:
    """Health checks on one runtime node."""

    def __init__(self, settings: Settings, containers: Containers, routes: Routes) -> None:
        self._settings = settings
        self._containers = containers
        self._routes = routes

    @activity.defn(name=CHECK_HEALTH.name)
    @reports_errors
    async def check_health(self, given: HealthInput) -> None:
        """Returns once the health path answers below 500."""
        async with heartbeating():
            await self._until_healthy(given)

    async def _until_healthy(self, given: HealthInput) -> None:
        deadline = time.monotonic() + given.seconds
        pauses = Pauses()
        was_back = False
        async with _client() as client:
            while True:
                wrong = await _ask(client, given)
                if wrong is None:
                    return
                if not await self._runs(given):
                    if was_back or not await self._bring_back(given):
                        raise await self._exited(given)
                    was_back = True
                if time.monotonic() >= deadline:
                    break
                await pauses.next()
        raise await self._not_healthy(given, wrong)

    @activity.defn(name=SOAK.name)
    @reports_errors
    async def soak(self, given: SoakInput) -> None:
        """Watches for ``check.seconds`` that the container runs and keeps answering.

        When it does not, the route goes back here and now: requests that meanwhile found nobody
        are tried again by the gateway and the entry, and the release before answers them.
        """
        async with heartbeating():
            if activity.info().attempt > 1 and await self._starts_anew(given.check):
                await self._settle(given)
            wrong = await self._watch(given.check)
            if wrong is None:
                return
            self._back(given)
            if wrong == ENDED:
                raise await self._exited(given.check)
            raise Unhealthy(
                f"the app stopped answering after it went live: {wrong.seen}",
                code=wrong.after,
                values=wrong.values,
                hint="the release before it serves again; see the app's last lines",
                log_tail=await in_thread(self._containers.log_tail, given.check.container),
            )

    async def _starts_anew(self, given: HealthInput) -> bool:
        """Whether the machine was gone with the worker, and the app so has to start again."""
        found = await in_thread(self._containers.inspect, given.container)
        if found is None:
            return False
        state: dict[str, Any] = found["State"]
        if not state["Running"]:
            return bool(state["ExitCode"] == UNSEEN)
        return datetime.fromisoformat(state["StartedAt"]) > activity.info().scheduled_time

    async def _settle(self, given: SoakInput) -> None:
        start = {"seconds": self._settings.health_seconds}
        try:
            await self._until_healthy(given.check.model_copy(update=start))
        except Unhealthy:
            self._back(given)
            raise

    def _back(self, given: SoakInput) -> None:
        if given.back is not None:
            self._routes.write(given.app_id, given.slug, given.back)

    async def _watch(self, given: HealthInput) -> Wrong | Literal["ended"] | None:
        """What went wrong; None when nothing did."""
        deadline = time.monotonic() + given.seconds
        failures = 0
        async with self._containers.ended(given.container) as ended, _client() as client:
            while not ended.is_set() and time.monotonic() < deadline:
                wrong = await _ask(client, given)
                failures = failures + 1 if wrong else 0
                if failures >= SOAK_FAILURES:
                    return wrong
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), SOAK_PAUSE)
            return ENDED if ended.is_set() else None

    async def _runs(self, given: HealthInput) -> bool:
        found = await in_thread(self._containers.inspect, given.container)
        return found is not None and bool(found["State"]["Running"])

    async def _bring_back(self, given: HealthInput) -> bool:
        """Starts it again where it was not the app that ended: the machine lost its power.

        This worker went with it then, so it is not the first attempt that finds it so.
        """
        found = await in_thread(self._containers.inspect, given.container)
        if activity.info().attempt == 1 or not found or found["State"]["ExitCode"] != UNSEEN:
            return False
        await in_thread(self._containers.start, given.container)
        return True

    async def _exited(self, given: HealthInput) -> Unhealthy:
        found = await in_thread(self._containers.after_exit, given.container)
        if found is None:
            return Unhealthy(
                "the container was removed while it was being watched",
                code=ErrorCode.APP_REMOVED,
                hint="deploy again",
            )
        state: dict[str, Any] = found["State"]
        tail = await in_thread(self._containers.log_tail, given.container)
        if state.get("OOMKilled"):
            return Unhealthy(
                "the app used more memory than it may and was ended",
                code=ErrorCode.APP_MEMORY,
                hint="make it use less, or ask an administrator for a higher limit",
                log_tail=tail,
            )
        return Unhealthy(
            f"the app exited with code {state.get('ExitCode')}",
            code=ErrorCode.APP_EXITED,
            values={"exit_code": int(state.get("ExitCode") or 0)},
            hint="its last lines say why; it has to keep running and listen on PORT",
            log_tail=tail,
        )

    async def _not_healthy(self, given: HealthInput, last: Wrong) -> Unhealthy:
        found = await in_thread(self._containers.inspect, given.container)
        pid = found["State"]["Pid"] if found else 0
        ports = await in_thread(listening_ports, pid)
        what = f"the app did not become healthy within {given.seconds:g} s: {last.seen}"
        tail = await in_thread(self._containers.log_tail, given.container)
        if given.port in ports:
            return Unhealthy(
                what,
                code=last.before,
                values=last.values,
                hint=f"GET {given.path} has to answer with a status below 500",
                log_tail=tail,
            )
        if not ports:
            return Unhealthy(
                what,
                code=ErrorCode.APP_LISTENS_NOWHERE,
                values={"seconds": given.seconds, "port": given.port},
                hint=f"it listens on no port; it has to listen on PORT={given.port} and on 0.0.0.0",
                log_tail=tail,
            )
        named = ", ".join(str(port) for port in sorted(ports))
        return Unhealthy(
            what,
            code=ErrorCode.APP_LISTENS_ELSEWHERE,
            values={"seconds": given.seconds, "port": given.port, "ports": named},
            hint=f"it listens on {named}, but has to listen on PORT={given.port} "
            "and on 0.0.0.0 (or set port in studio.toml)",
            log_tail=tail,
        )


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        timeout=ATTEMPT_SECONDS,
        follow_redirects=False,
        trust_env=False,
        verify=NO_CERTIFICATES,
        limits=httpx.Limits(max_keepalive_connections=0),
    )


async def _ask(client: httpx.AsyncClient, given: HealthInput) -> Wrong | None:
    """None when healthy."""
    url = httpx.URL(
        scheme="http", host=given.address, port=given.port, raw_path=given.path.encode("ascii")
    )
    try:
        async with client.stream("GET", url, headers={"Host": given.host}) as response:
            if response.status_code < 500:
                return None
            return Wrong(
                f"GET {given.path} answered {response.status_code}",
                before=ErrorCode.APP_ANSWERS_WRONGLY,
                after=ErrorCode.APP_ANSWERED_WRONGLY,
                values={
                    "seconds": given.seconds,
                    "path": given.path,
                    "status": response.status_code,
                },
            )
    except httpx.ConnectError:
        return Wrong(
            f"nothing listens on port {given.port}",
            before=ErrorCode.APP_LISTENS_INSIDE,
            after=ErrorCode.APP_STOPPED_LISTENING,
            values={"seconds": given.seconds, "port": given.port},
        )
    except httpx.TimeoutException:
        return Wrong(
            f"GET {given.path} did not answer within {ATTEMPT_SECONDS:g} s",
            before=ErrorCode.APP_ANSWERS_SLOWLY,
            after=ErrorCode.APP_ANSWERED_SLOWLY,
            values={"seconds": given.seconds, "path": given.path, "limit": ATTEMPT_SECONDS},
        )
    except httpx.HTTPError as error:
        return Wrong(
            f"GET {given.path} failed: {type(error).__name__}",
            before=ErrorCode.APP_UNHEALTHY,
            after=ErrorCode.APP_STOPPED_ANSWERING,
            values={
                "seconds": given.seconds,
                "path": given.path,
                "seen": type(error).__name__,
            },
        )
