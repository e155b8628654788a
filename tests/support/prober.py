"""An app that looks around for the tests: what answers it, and what reaches it."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import httpx

from activities.container_spec import Labels
from ops.settings import Settings
from tests.support.apps import node_app
from tests.support.user import User

Target = tuple[str, int]

LOOK = """
const net = require("net");

function look([host, port]) {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    const say = (what) => { socket.destroy(); resolve([host, port, what]); };
    socket.setTimeout(2000, () => say("silent"));
    socket.on("connect", () => say("connected"));
    socket.on("error", (error) => say(error.code));
  });
}
"""

SERVER = (
    LOOK
    + """
const fs = require("fs"), http = require("http"), os = require("os");

http.createServer(async (req, res) => {
  if (req.method === "POST") {
    let body = "";
    for await (const chunk of req) body += chunk;
    if (req.url.startsWith("/fill/")) {
      const megabyte = Buffer.alloc(1 << 20, 1);
      for (let i = 0; i < Number(body); i++) fs.appendFileSync("filler", megabyte);
      return res.end(JSON.stringify(fs.statSync("filler").size));
    }
    return res.end(JSON.stringify(await Promise.all(JSON.parse(body).map(look))));
  }
  const query = new URL(req.url, "http://app").searchParams;
  for (const header of query.getAll("header")) res.setHeader(...header.split(": "));
  res.end(JSON.stringify({
    filled: fs.existsSync("filler"), url: req.url, headers: req.headers, interfaces: os.networkInterfaces(),
    database: process.env.MONGODB_URI,
  }));
}).listen(process.env.PORT);
"""
)

BUILD_STEP = (
    LOOK
    + """
const targets = JSON.parse(require("fs").readFileSync("targets.json")).targets;
Promise.all(targets.map(look)).then((seen) => {
  for (const [host, port, what] of seen) if (what !== "silent") console.log("SAW", host, port, what);
  console.log("LOOKED", seen.length);
});
"""
)


@dataclass(frozen=True)
class Probe:
    """A live app of a user of its own."""

    settings: Settings
    user_id: int
    app_id: int
    slug: str
    release_id: int

    @classmethod
    @asynccontextmanager
    async def deployed(cls, settings: Settings, home: Path) -> AsyncIterator[Probe]:
        """Live within the block."""
        async with User.registered(settings, home) as user:
            app = await user.app(node_app(SERVER), name="probe")
            release = await app.deployed()
            assert release["status"] == "SUCCEEDED", release
            yield cls(settings, user.id, app.id, app.slug, release["id"])

    @property
    def host(self) -> str:
        """The app's own name as a Host header."""
        return self.settings.app_url(self.app_id, self.slug).partition("//")[2].rstrip("/")

    @property
    def container(self) -> dict[str, Any]:
        """The engine's description of the app's container."""
        engine = docker.DockerClient(base_url=f"unix://{self.settings.docker_socket}")
        try:
            labels = [
                f"{Labels.PLATFORM}={self.settings.platform}",
                f"{Labels.APP}={self.app_id}",
            ]
            (found,) = engine.containers.list(filters={"label": labels})
            attributes: dict[str, Any] = found.attrs
            return attributes
        finally:
            engine.close()

    @property
    def address(self) -> str:
        (network,) = self.container["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    async def about(self) -> dict[str, Any]:
        """What the app says of itself and of the request that reached it."""
        async with self._visitor() as visitor:
            found: dict[str, Any] = (await visitor.get("/")).json()
            return found

    async def look(self, targets: Iterable[Target]) -> dict[Target, str]:
        """What came of connecting from inside the container: connected, silent, ECONNREFUSED …"""
        async with self._visitor() as visitor:
            answer = await visitor.post("/", content=json.dumps(list(targets)))
        return {(host, port): what for host, port, what in answer.json()}

    async def fill(self, megabytes: int) -> None:
        """Has the app write so much to its own file system."""
        async with self._visitor() as visitor:
            answer = await visitor.post("/fill/", content=str(megabytes))
        assert answer.json() >= megabytes << 20

    def _visitor(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.settings.entry_url,
            headers={"Host": self.host},
            timeout=30,
            trust_env=False,
        )


def looking_build(targets: Iterable[Target]) -> dict[str, str | bytes]:
    """Files of an app whose build looks, says so in its log, and fails. Never the same twice, so
    that no step is taken from the build cache."""
    given = {"nonce": secrets.token_hex(8), "targets": list(targets)}
    return {
        "look.js": BUILD_STEP,
        "targets.json": json.dumps(given),
        "Dockerfile": "FROM node:24-bookworm-slim\n"
        "COPY look.js targets.json ./\nRUN node look.js && exit 9\n",
    }


def seen_by_build(log: str) -> tuple[int, dict[Target, str]]:
    """How many targets the build looked at, and what was not silent."""
    looked = re.search(r"LOOKED (\d+)", log)
    found = re.findall(r"SAW (\S+) (\d+) (\w+)", log)
    return int(looked[1]) if looked else 0, {(h, int(p)): what for h, p, what in found}


async def connects(target: Target) -> bool:
    """Whether something listens there, as seen from this host."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(*target), 2)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
