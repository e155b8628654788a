"""What must not be seen anywhere, and the places where somebody could see it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import psutil
from temporalio.client import Client

from ops.settings import Settings

PUBLIC = {"registry-cert.pem"}


def platform_secrets(settings: Settings) -> dict[str, str]:
    """Every secret of the platform as it would look in a text, by what it is."""
    found: dict[str, str] = {}
    for path in settings.secrets.iterdir():
        if path.name in PUBLIC:
            continue
        text = path.read_text().strip()
        if text.startswith("-----BEGIN"):
            text = text.splitlines()[1]
        found[path.name] = text
        # As basic authentication carries it.
        for user in ("control", "base", path.name.removeprefix("node-")):
            pair = base64.b64encode(f"{user}:{text}".encode()).decode()
            found[f"{path.name} as basic authentication of {user}"] = pair
    return found


def seen_in(data: bytes, secrets: dict[str, str]) -> list[str]:
    """Which of the secrets are in there; their values are not told."""
    return sorted(name for name, value in secrets.items() if value.encode() in data)


async def histories(client: Client, query: str) -> AsyncIterator[tuple[str, bytes]]:
    """The whole history of each workflow that a query finds, as it is stored."""
    async for workflow in client.list_workflows(query):
        handle = client.get_workflow_handle(workflow.id, run_id=workflow.run_id)
        history = await handle.fetch_history()
        yield workflow.id, b"".join(event.SerializeToString() for event in history.events)


@asynccontextmanager
async def watched_commands(secrets: dict[str, str]) -> AsyncIterator[set[str]]:
    """What shows on command lines of this machine, looked at again and again meanwhile."""
    seen: set[str] = set()
    stop = asyncio.Event()

    async def watch() -> None:
        while not stop.is_set():
            seen.update(await asyncio.to_thread(_on_command_lines, secrets))
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        stop.set()
        await watching


def _on_command_lines(secrets: dict[str, str]) -> Iterable[str]:
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if found := seen_in("\0".join(words).encode(), secrets):
            yield f"{found} in a command line of {words[0]}"
