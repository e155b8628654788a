"""Shipping log lines from a node to deploy control (7002), in batches that may be sent twice.

    async with LogShipper(settings, node_id, deployment_id, "build") as shipper:
        await shipper.write("…")

Lines are sent after 100 ms or when 200 have gathered. While 7002 is away they are kept and tried
again; of more than ``MAX_WAITING`` the oldest are dropped, and the log then says how many.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import uuid
from collections import deque
from types import TracebackType

import httpx
import structlog

from ops.logtext import MAX_LINE
from ops.plain_http import NO_CERTIFICATES
from ops.settings import Settings, read_secret

BATCH_LINES = 200
BATCH_SECONDS = 0.25
BATCH_BYTES = 512 * 1024
MAX_WAITING = 20_000
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0)
CLOSE_SECONDS = 5.0

log = structlog.get_logger()


class LogShipper:
    """One stream of lines of one deployment. Create it, and close it, in a running event loop."""

    def __init__(
        self,
        settings: Settings,
        node_id: str,
        deployment_id: int,
        source: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        token = read_secret(settings, f"node-{node_id}").get_secret_value()
        self._client = httpx.AsyncClient(
            base_url=settings.control_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(5.0),
            trust_env=False,
            verify=NO_CERTIFICATES,
            transport=transport,
        )
        self._path = f"/deployments/{deployment_id}/log"
        self._source = source
        self._stream = uuid.uuid4().hex
        self._lines: deque[str] = deque()
        self._first = 0
        self._lock = threading.Lock()
        self._full = False
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._sender = asyncio.create_task(self._send_all())

    async def __aenter__(self) -> LogShipper:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def write(self, line: str) -> None:
        """Adds a line. Never waits for the network; only lets other tasks run."""
        self._add(line)
        self._wake.set()
        if len(self._lines) >= BATCH_LINES:
            await asyncio.sleep(0)

    def write_nowait(self, line: str) -> None:
        """The same from any thread."""
        self._add(line)
        with contextlib.suppress(RuntimeError):  # the loop is gone: nobody reads it any more
            self._loop.call_soon_threadsafe(self._wake.set)

    async def close(self) -> None:
        """Sends what is left, for a few seconds at most, and lets go of everything."""
        self._closing = True
        self._wake.set()
        try:
            await asyncio.wait_for(asyncio.shield(self._sender), CLOSE_SECONDS)
        except TimeoutError:
            log.warning("logship.unsent", path=self._path, lines=len(self._lines))
        finally:
            self._sender.cancel()
            await self._client.aclose()

    def _add(self, line: str) -> None:
        with self._lock:
            if self._full:
                return
            self._lines.append(line[: 2 * MAX_LINE])
            if len(self._lines) > MAX_WAITING:
                self._lines.popleft()
                self._first += 1

    async def _send_all(self) -> None:
        while True:
            await self._wake.wait()
            if not self._closing and len(self._lines) < BATCH_LINES:
                await self._gather()
            self._wake.clear()
            while self._lines:
                await self._send_batch()
            if self._closing:
                return

    async def _gather(self) -> None:
        """Waits a moment for more lines; a full batch or the end cuts it short."""
        deadline = self._loop.time() + BATCH_SECONDS
        while not self._closing and len(self._lines) < BATCH_LINES:
            left = deadline - self._loop.time()
            if left <= 0:
                return
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), left)
            except TimeoutError:
                return

    async def _send_batch(self) -> None:
        """Sends the first lines and forgets them once they were taken."""
        with self._lock:
            first, lines, size = self._first, [], 0
            for line in self._lines:
                lines.append(line)
                size += len(line)
                if len(lines) >= 5 * BATCH_LINES or size >= BATCH_BYTES:
                    break
        body = {"source": self._source, "stream": self._stream, "first": first, "lines": lines}
        more = await self._post(body)
        with self._lock:
            for _ in range(first + len(lines) - self._first):
                self._lines.popleft()
                self._first += 1
            if not more:
                self._full = True
                self._first += len(self._lines)
                self._lines.clear()

    async def _post(self, body: dict[str, object]) -> bool:
        """Tries until 7002 answers; False when it wants no more of this log."""
        attempt = 0
        while True:
            try:
                answer = await self._client.post(self._path, json=body)
                if answer.is_success:
                    return bool(answer.json().get("more", True))
                if 400 <= answer.status_code < 500:
                    log.warning("logship.refused", path=self._path, status=answer.status_code)
                    return False
            except httpx.TransportError:
                pass
            await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
            attempt += 1
