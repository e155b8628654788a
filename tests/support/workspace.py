"""A user's open workspace, as tests use it: over HTTP, and over its terminal."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import docker
import httpx
from websockets.asyncio.client import ClientConnection, connect

from ops.names import workspace_container
from tests.support.user import User, ok

OUTPUT_SECONDS = 20.0


class OpenApp:
    """One app of a user, opened in the workspace."""

    def __init__(self, user: User, app_id: int) -> None:
        self.user = user
        self.id = app_id

    @classmethod
    async def opened(cls, user: User, template: str | None = None) -> OpenApp:
        made = ok(await user.api.post("/api/apps", json={"name": "w", "template": template}), 201)
        ok(await user.api.post("/api/workspace/open", json={"app_id": made["id"]}))
        return cls(user, made["id"])

    async def get(self, what: str, **params: Any) -> httpx.Response:
        return await self.user.api.get(
            f"/api/workspace/{what}", params={"app_id": self.id} | params
        )

    async def post(self, what: str, **body: Any) -> httpx.Response:
        return await self.user.api.post(f"/api/workspace/{what}", json={"app_id": self.id} | body)

    async def put(self, path: str, content: str, **more: Any) -> httpx.Response:
        return await self.user.api.put(
            "/api/workspace/files/content",
            params={"app_id": self.id, "path": path},
            json={"content": content} | more,
        )

    async def text(self, path: str) -> str:
        return str(ok(await self.get("files/content", path=path))["content"])

    async def shell(self, command: str) -> str:
        """What a command prints in a terminal of its own, without its echo."""
        async with self.terminal() as terminal:
            return await terminal.run(command)

    async def inside(self, command: str) -> str:
        """The same by the engine of its host. Terminals are counted, also for a minute after them."""

        def ask() -> str:
            settings = self.user.settings
            engine = docker.DockerClient(base_url=f"unix://{settings.docker_socket}")
            try:
                name = settings.name_prefix + workspace_container(self.user.id)
                done = engine.containers.get(name).exec_run(["sh", "-c", command])
            finally:
                engine.close()
            assert isinstance(done.output, bytes)
            return done.output.decode(errors="replace").strip()

        return await asyncio.to_thread(ask)

    @asynccontextmanager
    async def terminal(self, **query: Any) -> AsyncIterator[Terminal]:
        settings = self.user.settings
        asked = urlencode({"app_id": self.id} | query)
        async with connect(
            f"{settings.studio_url.replace('http', 'ws', 1)}/api/workspace/terminal?{asked}",
            host="127.0.0.1",
            port=settings.ports.public,
            additional_headers={"Authorization": self.user.api.headers["Authorization"]},
            proxy=None,
        ) as connection:
            yield await Terminal.begin(connection)


class Terminal:
    """One connection to a terminal."""

    def __init__(self, connection: ClientConnection, session: str) -> None:
        self.connection = connection
        self.session = session
        self.seen = bytearray()
        self.exit: int | None = None

    @classmethod
    async def begin(cls, connection: ClientConnection) -> Terminal:
        return cls(connection, json.loads(await connection.recv())["session"])

    async def send(self, data: str | bytes) -> None:
        await self.connection.send(data.encode() if isinstance(data, str) else data)

    async def resize(self, columns: int, rows: int) -> None:
        await self.connection.send(json.dumps({"resize": [columns, rows]}))

    async def until(self, wanted: bytes | str, seconds: float = OUTPUT_SECONDS) -> bytes:
        """What came up to and with ``wanted``; that is taken away from what was seen."""
        wanted = wanted.encode() if isinstance(wanted, str) else wanted
        # Only what is new is searched: a flood has many megabytes.
        looked = 0
        try:
            async with asyncio.timeout(seconds):
                while (at := self.seen.find(wanted, max(0, looked - len(wanted)))) < 0:
                    looked = len(self.seen)
                    message = await self.connection.recv()
                    if isinstance(message, bytes):
                        self.seen += message
                    else:
                        self.exit = json.loads(message).get("exit")
        except TimeoutError:
            raise AssertionError(f"{wanted!r} did not come; seen: {self.seen[-500:]!r}") from None
        end = at + len(wanted)
        found = bytes(self.seen[:end])
        del self.seen[:end]
        return found

    async def run(self, command: str) -> str:
        """The output of one command."""
        mark = f"mark{time.monotonic_ns()}"
        # The echo of what is typed holds the mark in two parts.
        await self.send(f"echo {mark[:4]}''{mark[4:]}; {command}; echo {mark[:4]}''{mark[4:]}\r")
        await self.until(f"{mark}\r\n")
        output = await self.until(f"{mark}\r\n")
        text = output.decode(errors="replace").removesuffix(f"{mark}\r\n")
        return re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", text).replace("\r\n", "\n").strip()


async def run_is(user: User, *states: str, seconds: float = 30) -> dict[str, Any]:
    found: dict[str, Any] = {}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = ok(await user.api.get("/api/workspace/run"))
        if found["state"] in states:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"not {states}: {found}")
