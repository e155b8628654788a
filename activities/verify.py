"""Does the new release answer at the app's public URL? Asked the way people ask: through nginx."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import httpx
from temporalio import activity

from activities.boundary import heartbeating, reports_errors
from activities.contracts.servers import VERIFY, VerifyInput
from ops.error_codes import ErrorCode
from ops.errors import Unhealthy
from ops.plain_http import NO_CERTIFICATES
from ops.settings import Settings

RELEASE_HEADER = "X-Studio-Release"
PAUSE_SECONDS = 0.02
REQUEST_SECONDS = 2.0


def public_request(settings: Settings, given: VerifyInput) -> tuple[str, str]:
    """URL to connect to, and the name to ask for. A name need not resolve on this host."""
    if settings.routing == "path":
        return f"{settings.entry_url}/apps/{given.app_id}{given.health_path}", settings.studio_host
    return f"{settings.entry_url}{given.health_path}", settings.app_host(given.slug)


class Verify:
    def __init__(
        self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._settings = settings
        self._transport = transport

    @activity.defn(name=VERIFY.name)
    @reports_errors
    async def verify(self, given: VerifyInput) -> None:
        """Returns once an answer below 500 is marked with the release. Raises Unhealthy."""
        url, host = public_request(self._settings, given)
        deadline = time.monotonic() + given.seconds
        async with (
            heartbeating(),
            httpx.AsyncClient(
                timeout=REQUEST_SECONDS,
                trust_env=False,
                follow_redirects=False,
                verify=NO_CERTIFICATES,
                transport=self._transport,
            ) as client,
        ):
            while True:
                seen = await _ask(client, url, host, given.release_id)
                if seen is None:
                    return
                if time.monotonic() >= deadline:
                    raise _unlike(f"{host}{given.health_path}", seen, given.release_id)
                await asyncio.sleep(PAUSE_SECONDS)


@dataclass(frozen=True)
class _Answer:
    status: int
    release: str | None


async def _ask(
    client: httpx.AsyncClient, url: str, host: str, release_id: int
) -> _Answer | httpx.TransportError | None:
    """None when the release answered as it should; else what was seen instead."""
    try:
        async with client.stream("GET", url, headers={"Host": host}) as answer:
            seen = _Answer(answer.status_code, answer.headers.get(RELEASE_HEADER))
    except httpx.TransportError as error:
        return error
    return None if seen.release == str(release_id) and seen.status < 500 else seen


def _unlike(url: str, seen: _Answer | httpx.TransportError, release_id: int) -> Unhealthy:
    what = f"{url} does not answer from the new release"
    hint = "the gateway of the app's host or the entry may be down"
    if isinstance(seen, httpx.TransportError):
        return Unhealthy(
            f"{what}: {type(seen).__name__}",
            code=ErrorCode.APP_NOT_REACHED,
            values={"url": url, "seen": type(seen).__name__},
            hint=hint,
        )
    if seen.release == str(release_id):
        return Unhealthy(
            f"{what}: status {seen.status}",
            code=ErrorCode.APP_REACHED_WRONGLY,
            values={"url": url, "status": seen.status},
            hint=hint,
        )
    other = f"release {seen.release}" if seen.release else "no release"
    return Unhealthy(
        f"{what}: status {seen.status} from {other}",
        code=ErrorCode.APP_NOT_SWITCHED,
        values={"url": url, "status": seen.status},
        hint=hint,
    )
