"""Small apps that behave or misbehave in one way each. No packages: they build in a moment."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping

PACKAGE = json.dumps(
    {"name": "shop", "version": "1.0.0", "private": True, "scripts": {"start": "node server.js"}}
)


def node_app(server: str) -> dict[str, str | bytes]:
    return {"package.json": PACKAGE, "server.js": server}


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """An archive of an app's files."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return into.getvalue()


def hello(text: str = "hello") -> dict[str, str | bytes]:
    """Answers everything with ``text``."""
    return node_app(
        f"""
const http = require("http");
console.log("listening on", process.env.PORT);
http.createServer((req, res) => res.end({json.dumps(text)})).listen(process.env.PORT);
process.on("SIGTERM", () => process.exit(0));
"""
    )


def shows_environment() -> dict[str, str | bytes]:
    """Answers with its environment and what is asked of it, as JSON."""
    return node_app(
        """
const http = require("http");
http.createServer((req, res) => res.end(JSON.stringify({
  env: process.env, uid: process.getuid(), url: req.url, headers: req.headers,
}))).listen(process.env.PORT);
"""
    )


def says_word() -> dict[str, str | bytes]:
    """Answers with the variable WORD, which it cannot do without; logs each path that is asked."""
    return node_app(
        """
const http = require("http");
const word = process.env.WORD;
if (!word) { console.error("WORD is not set"); process.exit(3); }
console.log("begun with", word);
http.createServer((req, res) => { console.log("asked", req.url); res.end(word); })
  .listen(process.env.PORT);
process.on("SIGTERM", () => process.exit(0));
"""
    )


def cannot_run() -> dict[str, str | bytes]:
    """It is built, and names a command that its image has not."""
    return {"Dockerfile": 'FROM node:24-bookworm-slim\nUSER 1000\nCMD ["/nowhere"]\n'}


def crashes_at_once() -> dict[str, str | bytes]:
    return node_app('console.error("cannot read my configuration"); process.exit(3);')


def crashes_after(seconds: float) -> dict[str, str | bytes]:
    """Answers, then exits."""
    return node_app(
        f"""
const http = require("http");
http.createServer((req, res) => res.end("short-lived")).listen(process.env.PORT);
setTimeout(() => {{ console.error("out of luck"); process.exit(4); }}, {seconds * 1000});
"""
    )


def wrong_port() -> dict[str, str | bytes]:
    return node_app(
        """
const http = require("http");
http.createServer((req, res) => res.end("lost")).listen(8123);
console.log("listening on 8123");
"""
    )


def never_healthy() -> dict[str, str | bytes]:
    return node_app(
        """
const http = require("http");
http.createServer((req, res) => { res.statusCode = 503; res.end("not yet"); })
  .listen(process.env.PORT);
console.log("still warming up");
"""
    )


def slow_start(seconds: float, text: str = "hello") -> dict[str, str | bytes]:
    return node_app(
        f"""
const http = require("http");
setTimeout(() => http.createServer((req, res) => res.end({json.dumps(text)}))
  .listen(process.env.PORT), {seconds * 1000});
"""
    )


def slow_build(seconds: int, text: str = "hello") -> dict[str, str | bytes]:
    """Its build step takes a while and says so each second."""
    return hello(text) | {
        "Dockerfile": f"""
FROM node:24-bookworm-slim
WORKDIR /app
COPY package.json server.js ./
RUN for i in $(seq {seconds}); do echo "building $i of {seconds}"; sleep 1; done
USER 1000
CMD ["node", "server.js"]
"""
    }


def slow_install(seconds: int) -> dict[str, str | bytes]:
    """No Dockerfile: it is npm's own installation that takes a while, and says so each second."""
    script = f'for i in $(seq {seconds}); do echo "building $i of {seconds}"; sleep 1; done'
    package = {
        "name": "slow",
        "version": "1.0.0",
        "scripts": {"start": "node .", "preinstall": script},
    }
    return hello() | {"package.json": json.dumps(package)}


def failing_build() -> dict[str, str | bytes]:
    return hello() | {
        "Dockerfile": 'FROM node:24-bookworm-slim\nRUN echo "the compiler is sad" && exit 7\n'
    }
