"""An app's own output and its use of the host, read from the engine.

The engine is asked over its socket with httpx: a stream that nobody reads any more is closed at
once, which the Docker SDK's blocking iterator cannot promise.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx

from activities.containers import Containers
from ops.errors import NotFound

HEADER_BYTES = 8
"""Each frame of a multiplexed log starts with stream type, three zero bytes and a length."""


def _engine(containers: Containers, read_seconds: float | None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=str(containers.socket)),
        base_url="http://engine",
        timeout=httpx.Timeout(5, read=read_seconds),
    )


async def frames(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The payloads of Docker's multiplexed stream (Engine API, "Attach to a container")."""
    buffer = b""
    async for chunk in chunks:
        buffer += chunk
        while len(buffer) >= HEADER_BYTES:
            length = int.from_bytes(buffer[4:HEADER_BYTES], "big")
            if len(buffer) < HEADER_BYTES + length:
                break
            yield buffer[HEADER_BYTES : HEADER_BYTES + length]
            buffer = buffer[HEADER_BYTES + length :]


async def follow_logs(
    containers: Containers, container: str, *, tail: int, follow: bool
) -> AsyncIterator[bytes]:
    """The last ``tail`` lines of a container, and what comes after while ``follow``."""
    query = {"stdout": "1", "stderr": "1", "tail": str(tail), "follow": str(int(follow))}
    path = f"/containers/{containers.full_name(container)}/logs"
    async with (
        _engine(containers, None if follow else 30) as client,
        client.stream("GET", path, params=query) as response,
    ):
        if response.status_code == httpx.codes.NOT_FOUND:
            raise NotFound("the container is gone")
        response.raise_for_status()
        async for payload in frames(response.aiter_raw()):
            yield payload


async def stats(containers: Containers, container: str) -> dict[str, Any]:
    """``cpu`` as a fraction of one core, ``memory`` and ``memory_limit`` in bytes."""
    async with _engine(containers, 10) as client:
        response = await client.get(
            f"/containers/{containers.full_name(container)}/stats", params={"stream": "0"}
        )
    if response.status_code == httpx.codes.NOT_FOUND:
        raise NotFound("the container is gone")
    response.raise_for_status()
    return summarise(response.json())


def summarise(raw: dict[str, Any]) -> dict[str, Any]:
    """The figures that people look at, from the engine's counters."""
    now, before = raw["cpu_stats"], raw["precpu_stats"]
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    whole = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    memory = raw["memory_stats"]
    cache = memory.get("stats", {}).get("total_inactive_file", 0)
    return {
        "cpu": used / whole * now.get("online_cpus", 1) if whole > 0 else 0.0,
        "memory": max(0, memory.get("usage", 0) - cache),
        "memory_limit": memory.get("limit", 0),
        "pids": raw.get("pids_stats", {}).get("current", 0),
    }
