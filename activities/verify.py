"""Does the new release answer at the app's public URL? Asked the way people ask: through nginx."""

from __future__ import annotations

import asyncio
import time

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
                    raise Unhealthy(
                        f"{host}{given.health_path} does not answer from the new release: {seen}",
                        code=ErrorCode.APP_NOT_REACHED,
                        values={"url": f"{host}{given.health_path}", "seen": seen},
                        hint="the gateway of the app's host or the entry may be down",
                    )
                await asyncio.sleep(PAUSE_SECONDS)


async def _ask(client: httpx.AsyncClient, url: str, host: str, release_id: int) -> str | None:
    """None when the release answered as it should; else what was seen instead."""
    try:
        async with client.stream("GET", url, headers={"Host": host}) as answer:
            marked = answer.headers.get(RELEASE_HEADER)
            status = answer.status_code
    except httpx.TransportError as error:
        return type(error).__name__
    if marked != str(release_id):
        return f"status {status} from {f'release {marked}' if marked else 'no release'}"
    return None if status < 500 else f"status {status}"
