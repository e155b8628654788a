"""Is the new release healthy, and does it stay so? Asked on the container's own address."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
from temporalio import activity

from activities.boundary import heartbeating, in_thread, reports_errors
from activities.containers import Containers
from activities.contracts import CHECK_HEALTH, SOAK, HealthInput
from activities.listening import listening_ports
from ops.errors import Unhealthy

ATTEMPT_SECONDS = 2.0
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.25
SOAK_PAUSE = 0.2
SOAK_FAILURES = 3
"""A busy app may miss an answer; so many in a row are no accident."""


class Health:
    """Health checks on one runtime node."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    @activity.defn(name=CHECK_HEALTH.name)
    @reports_errors
    async def check_health(self, given: HealthInput) -> None:
        """Returns once the health path answers below 500."""
        deadline = time.monotonic() + given.seconds
        pause, last = FIRST_PAUSE, "no answer yet"
        async with heartbeating(), _client() as client:
            while True:
                answer = await _ask(client, given)
                if answer is None:
                    return
                last = answer
                await self._must_run(given)
                if time.monotonic() >= deadline:
                    break
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)
        raise await self._not_healthy(given, last)

    @activity.defn(name=SOAK.name)
    @reports_errors
    async def soak(self, given: HealthInput) -> None:
        """Watches for ``seconds`` that the container runs and keeps answering."""
        deadline = time.monotonic() + given.seconds
        failures = 0
        async with heartbeating(), _client() as client:
            while time.monotonic() < deadline:
                await self._must_run(given)
                answer = await _ask(client, given)
                failures = failures + 1 if answer else 0
                if answer and failures >= SOAK_FAILURES:
                    raise Unhealthy(
                        f"the app stopped answering after it went live: {answer}",
                        hint="the release before it serves again; see the app's last lines",
                        log_tail=await in_thread(self._containers.log_tail, given.container),
                    )
                await asyncio.sleep(SOAK_PAUSE)
            await self._must_run(given)

    async def _must_run(self, given: HealthInput) -> None:
        found = await in_thread(self._containers.inspect, given.container)
        if found is None:
            raise Unhealthy(
                "the container was removed while it was being watched", hint="deploy again"
            )
        state: dict[str, Any] = found["State"]
        if state["Running"]:
            return
        tail = await in_thread(self._containers.log_tail, given.container)
        if state.get("OOMKilled"):
            raise Unhealthy(
                "the app used more memory than it may and was ended",
                hint="make it use less, or ask an administrator for a higher limit",
                log_tail=tail,
            )
        raise Unhealthy(
            f"the app exited with code {state.get('ExitCode')}",
            hint="its last lines say why; it has to keep running and listen on PORT",
            log_tail=tail,
        )

    async def _not_healthy(self, given: HealthInput, last: str) -> Unhealthy:
        found = await in_thread(self._containers.inspect, given.container)
        pid = found["State"]["Pid"] if found else 0
        ports = await in_thread(listening_ports, pid)
        if given.port in ports:
            hint = f"GET {given.path} has to answer with a status below 500"
        elif ports:
            named = ", ".join(str(port) for port in sorted(ports))
            hint = (
                f"it listens on {named}, but has to listen on PORT={given.port} "
                "and on 0.0.0.0 (or set port in studio.toml)"
            )
        else:
            hint = f"it listens on no port; it has to listen on PORT={given.port} and on 0.0.0.0"
        return Unhealthy(
            f"the app did not become healthy within {given.seconds:g} s: {last}",
            hint=hint,
            log_tail=await in_thread(self._containers.log_tail, given.container),
        )


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        timeout=ATTEMPT_SECONDS,
        follow_redirects=False,
        trust_env=False,
        limits=httpx.Limits(max_keepalive_connections=0),
    )


async def _ask(client: httpx.AsyncClient, given: HealthInput) -> str | None:
    """None when healthy, else what was wrong."""
    url = httpx.URL(
        scheme="http", host=given.address, port=given.port, raw_path=given.path.encode("ascii")
    )
    try:
        async with client.stream("GET", url, headers={"Host": given.host}) as response:
            if response.status_code < 500:
                return None
            return f"GET {given.path} answered {response.status_code}"
    except httpx.ConnectError:
        return f"nothing listens on port {given.port}"
    except httpx.TimeoutException:
        return f"GET {given.path} did not answer within {ATTEMPT_SECONDS:g} s"
    except httpx.HTTPError as error:
        return f"GET {given.path} failed: {type(error).__name__}"
