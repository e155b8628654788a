"""Bodies of requests: whoever is unknown is refused before theirs is read, who is known has limits.

Over real sockets: what matters is what was not sent yet when the answer comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from api import bodies
from api.bodies import KNOWN, OF_ONE, UNKNOWN, guard
from api.deploy_control import app as deploy_control
from api.entry import app as entry
from ops.db.tables import Token, User
from ops.errors import StudioError, Unauthorized, to_problem
from ops.settings import Settings
from ops.stack.nginx import nginx_config
from ops.tokens import token_hash
from tests.support.memory import RecordsInMemory

MB = 1024 * 1024
JSON = "Content-Type: application/json"
ENDLESS = "Transfer-Encoding: chunked"
ADA = "Authorization: Bearer ada"


class Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[int]:
    """The port of a real server."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Server(uvicorn.Config(app, lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = server.force_exit = True
            await serving


@dataclass
class Answer:
    status: int
    head: str
    problem: Any


@dataclass
class Client:
    """One connection, over which pieces of requests are sent as it pleases the test."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    @asynccontextmanager
    async def connected(cls, port: int, address: str = "127.0.0.1") -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=(address, 0), limit=MB
        )
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    async def begin(self, method: str, target: str, *headers: str) -> None:
        lines = (f"{method} {target} HTTP/1.1", "Host: studio.localhost:8000", *headers, "", "")
        await self.send("\r\n".join(lines).encode())

    async def chunk(self, size: int) -> None:
        await self.send(b"%x\r\n%s\r\n" % (size, b"x" * size))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"^content-length: (\d+)\r$", head, re.IGNORECASE | re.MULTILINE)
            body = await self.reader.readexactly(int(length[1])) if length else b""
        kind = re.search(r"^content-type: (\S+)\r$", head, re.IGNORECASE | re.MULTILINE)
        is_json = kind is not None and kind[1].endswith("json")
        return Answer(int(head.split(" ")[1]), head, json.loads(body) if is_json else body)

    async def trickle(self, piece: bytes, every: float = 0.05) -> Answer:
        """Sends so much again and again, until there is an answer."""

        async def on() -> None:
            with contextlib.suppress(OSError):
                while True:
                    await self.send(piece)
                    await asyncio.sleep(every)

        sending = asyncio.create_task(on())
        try:
            return await self.answer()
        finally:
            sending.cancel()

    async def ended(self) -> bool:
        """Whether the other side closes the connection, and says nothing more."""
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionResetError):
                return await self.reader.read(1) == b""
        return True

    async def silent(self) -> bool:
        """Whether no answer comes for a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await self.reader.readexactly(1)
                return False
        return True


@pytest_asyncio.fixture
async def the_entry(tmp_path: Path) -> AsyncIterator[int]:
    """The API with its records in memory, in which Ada is signed in."""
    records = RecordsInMemory()
    await records.add(User(id=1, email="ada@example.org", password_hash="-"))
    await records.add(Token(user_id=1, hash=token_hash("ada")))
    settings = Settings(home=tmp_path)
    app = entry.create_app(settings, serve_metrics=False)
    app.state.services = SimpleNamespace(settings=settings, database=records)
    async with served(app) as port:
        yield port


@pytest_asyncio.fixture
async def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    settings = Settings(home=tmp_path)
    settings.secrets.mkdir()
    for name in ("entry-token", "control-token", *(f"node-{n.node_id}" for n in settings.nodes)):
        (settings.secrets / name).write_text(name)
    for part in ("RegistryIssuer", "BuildPasswords"):
        stand_in = SimpleNamespace(open=lambda *_: None)
        monkeypatch.setattr(deploy_control, part, stand_in)
    app = deploy_control.create_app(settings, RecordsInMemory(), SimpleNamespace())  # type: ignore[arg-type]
    async with served(app) as port:
        yield port


@pytest_asyncio.fixture
async def nginx(the_entry: int, tmp_path: Path) -> AsyncIterator[int]:
    """The entry's nginx before the API, with 16 open requests for one address."""
    if shutil.which("nginx") is None:
        pytest.skip("no nginx here")
    settings = Settings(home=tmp_path, connections_of_address=16, trusted_proxies="127.0.0.1/32")
    for folder in (settings.run, settings.data / "nginx", settings.etc):
        folder.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    text = nginx_config(settings)
    text = re.sub(r"^user .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"(?s)\nstream \{.*", "", text).replace("load_module", "#")
    text = text.replace(f"listen {settings.ports.public}", f"listen 127.0.0.1:{port}")
    text = text.replace(f"127.0.0.1:{settings.ports.entry}", f"127.0.0.1:{the_entry}")
    config = settings.etc / "nginx.conf"
    config.write_text(text)
    process = await asyncio.create_subprocess_exec("nginx", "-c", config, "-g", "daemon off;")
    try:
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    async with Client.connected(port):
                        break
                await asyncio.sleep(0.05)
        yield port
    finally:
        process.terminate()
        await process.wait()


ENTRY = [
    ("POST", "/api/apps"),
    ("DELETE", "/api/me"),
    ("PUT", "/api/workspace/files/content?app_id=1&path=a"),
    ("PUT", "/api/workspace/files/upload?app_id=1&path=a"),
    ("POST", "/api/apps/archive?name=a"),
    ("POST", "/api/auth/login"),
]


@pytest.mark.parametrize(("method", "target"), ENTRY)
async def test_whoever_is_unknown_is_refused_before_the_body_comes(
    the_entry: int, nginx: int, method: str, target: str
) -> None:
    asked = (("Content-Length: 8000000",), (ENDLESS,), (ENDLESS, "Cookie: studio_session=x"))
    # nginx has a limit of its own for what signs in.
    for port, headers in product((the_entry,) if "auth" in target else (the_entry, nginx), asked):
        async with Client.connected(port) as client:
            await client.begin(method, target, JSON, *headers)
            if ENDLESS in headers:
                await client.chunk(UNKNOWN + 1)
            told = await client.answer()
        assert told.status == (403 if "Cookie" in headers[-1] else 401), told
        assert told.problem["code"] in ("not_signed_in", "foreign_page")
        assert "content-type: application/problem+json" in told.head.lower()


@pytest.mark.parametrize("target", ["/deployments/1/log", "/apps/1/data", "/registry/token"])
async def test_a_build_cannot_fill_the_memory_of_deploy_control(control: int, target: str) -> None:
    """Whoever runs a build step reaches it, and knows no token."""
    kind = "Content-Type: application/x-www-form-urlencoded" if "token" in target else JSON
    for headers in (("Content-Length: 8000000",), (ENDLESS,), (ENDLESS, "Authorization: Bearer x")):
        async with Client.connected(control) as client:
            await client.begin("POST", target, kind, *headers)
            if ENDLESS in headers:
                await client.chunk(UNKNOWN + 1)
            told = await client.answer()
        assert (told.status, told.problem["title"]) == (401, "Sign in first")
    async with Client.connected(control) as client:
        await client.begin("POST", target, kind, ENDLESS, "Authorization: Bearer node-runner-101")
        await client.chunk(UNKNOWN + 1)
        assert await client.silent(), "a node's body is read on"


async def test_a_refused_connection_goes_on(the_entry: int) -> None:
    """Who sends the body all the same finds its answer, and the next one's, in their order."""
    async with Client.connected(the_entry) as client:
        for _ in range(2):
            await client.begin("POST", "/api/apps", JSON, f"Content-Length: {MB}")
            await client.send(b"x" * MB)
            assert (await client.answer()).status == 401
        await client.begin("GET", "/api/health/live")
        assert (await client.answer()).status == 200


async def test_a_client_that_sends_on_is_answered_all_the_same(nginx: int) -> None:
    """A usual one, which keeps its connections and sends a body whole before it looks."""
    studio = {"Host": "studio.localhost:8000"}
    ada = {"Authorization": "Bearer ada"}
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{nginx}", headers=studio, trust_env=False
    ) as client:
        for _ in range(10):
            for headers, status in (({}, 401), (ada, 413)):
                told = await client.post("/api/apps", json={"name": "x" * 4 * MB}, headers=headers)
                assert told.status_code == status, told.text
            assert (await client.get("/api/me", headers=ada)).status_code == 200


async def test_what_signs_in_is_read_from_everybody(nginx: int) -> None:
    body = json.dumps({"email": "x", "password": "p" * 256}).encode()
    for head in (f"Content-Length: {len(body)}", ENDLESS):
        async with Client.connected(nginx) as client:
            await client.begin("POST", "/api/auth/register", JSON, head)
            await client.send(
                body if head != ENDLESS else b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
            )
            told = await client.answer()
        assert told.status == 422, told
        assert "email" in told.problem["detail"]


@pytest.mark.parametrize(
    ("target", "size"),
    [
        ("/api/auth/login", 17 * 1024),
        ("/api/apps", 2 * MB),
        ("/api/workspace/files/content?app_id=1&path=a", 9 * MB),
    ],
)
async def test_what_is_too_large_is_said_in_the_shape_of_every_error(
    nginx: int, target: str, size: int
) -> None:
    method = "PUT" if "content" in target else "POST"
    async with Client.connected(nginx) as client:
        await client.begin(method, target, JSON, ADA, f"Content-Length: {size}")
        told = await client.answer()
    assert told.status == 413
    assert "content-type: application/problem+json" in told.head.lower()
    assert (told.problem["status"], told.problem["code"]) == (413, "body_too_large")


async def test_a_file_may_be_as_large_as_it_was(nginx: int) -> None:
    """Whether it is Ada's app is asked once its content was read."""
    body = json.dumps({"content": "x" * (7 * MB)}).encode()
    async with Client.connected(nginx) as client:
        target = "/api/workspace/files/content?app_id=1&path=a"
        await client.begin("PUT", target, JSON, ADA, f"Content-Length: {len(body)}")
        await client.send(body)
        told = await client.answer()
    assert (told.status, told.problem["code"]) == (404, "app_missing")


async def test_one_address_has_an_end_and_no_other_notices(nginx: int) -> None:
    async with AsyncExitStack() as opened:
        for _ in range(16):
            client = await opened.enter_async_context(Client.connected(nginx))
            await client.begin("POST", "/api/apps", JSON, "Content-Length: 9000", ADA)
        await asyncio.sleep(0.3)
        for target in ("/", "/api/health/live", "/apps/1/", "/ws/1/"):
            async with Client.connected(nginx) as client:
                await client.begin("GET", target)
                told = await client.answer()
            assert told.status == 429, told
            assert "content-type: application/problem+json" in told.head.lower()
            assert "retry-after: 5" in told.head.lower()
            assert told.problem["code"] == "too_many_requests"
        # Another one, and somebody else behind a proxy that is trusted.
        for address, *said in (("127.0.0.2",), ("127.0.0.1", "X-Forwarded-For: 192.0.2.1")):
            async with Client.connected(nginx, address) as client:
                await client.begin("GET", "/api/health/live", *said)
                assert (await client.answer()).status == 200
    await asyncio.sleep(0.3)
    async with Client.connected(nginx) as client:
        await client.begin("GET", "/api/health/live")
        assert (await client.answer()).status == 200


class Text(BaseModel):
    text: str


@pytest_asyncio.fixture
async def guarded() -> AsyncIterator[int]:
    """An application of whose routes one takes more, one passes on what comes, one answers slowly."""
    app = FastAPI()

    @app.post("/text")
    @app.post("/long")
    async def text(body: Text) -> int:
        return len(body.text)

    @app.post("/passed-on")
    async def passed_on(request: Request) -> int:
        return sum([len(piece) async for piece in request.stream()])

    @app.post("/slow-answer")
    async def slow_answer(request: Request, body: Text) -> StreamingResponse:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await request.receive()  # Does the sender go?
        return StreamingResponse(pieces(), headers={"Content-Length": "3"})

    @app.get("/slow-answer")
    async def slow_answer_at_once() -> StreamingResponse:
        return StreamingResponse(pieces(), headers={"Content-Length": "3"})

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0.2)
            yield b"x"

    @app.exception_handler(StudioError)
    async def problem(request: Request, error: StudioError) -> JSONResponse:
        return JSONResponse(to_problem(error), error.status, media_type="application/problem+json")

    async def who(request: Request) -> str:
        if "authorization" not in request.headers:
            raise Unauthorized("who are you?")
        return request.headers["authorization"]

    guard(app, who, {"/long": 10 * MB, "/passed-on": None})
    async with served(app) as port:
        yield port


async def test_each_route_takes_what_it_takes(guarded: int) -> None:
    for target, size, status in (
        ("/text", KNOWN - 20, 200),
        ("/text", KNOWN, 413),
        ("/long", 9 * MB, 200),
        ("/long", 10 * MB, 413),
        ("/passed-on", 20 * MB, 200),
    ):
        body = b'{"text":"%s"}' % (b"x" * size)
        for head in (f"Content-Length: {len(body)}", ENDLESS):
            async with Client.connected(guarded) as client:
                await client.begin("POST", target, JSON, ADA, head)
                with contextlib.suppress(OSError):
                    framed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
                    await client.send(framed if head == ENDLESS else body)
                assert (await client.answer()).status == status, (target, size, head)


async def slow(opened: AsyncExitStack, port: int, sender: str, megabytes: int) -> Client:
    """A body of which so much was sent and a little is missing."""
    client = await opened.enter_async_context(Client.connected(port))
    length = megabytes * MB + 1
    await client.begin(
        "POST", "/long", JSON, f"Authorization: {sender}", f"Content-Length: {length}"
    )
    await client.send(b" " * (length - 1))
    return client


async def test_what_is_held_of_one_and_of_all_has_an_end(
    guarded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "OF_ALL", 2 * OF_ONE)
    async with AsyncExitStack() as opened:
        held = [await slow(opened, guarded, "ada", 7) for _ in range(2)]
        assert await held[-1].silent()
        more = await slow(opened, guarded, "ada", 3)
        told = await more.answer()
        assert (told.status, told.problem["code"]) == (429, "too_many_requests")
        # Others have room, until there is none for anybody.
        others = [await slow(opened, guarded, "bob", 7) for _ in range(2)]
        assert await others[-1].silent()
        assert (await (await slow(opened, guarded, "cyd", 5)).answer()).status == 429
        # What was answered is not held any more.
        await held[0].send(b"1")
        assert (await held[0].answer()).status == 422
        assert await (await slow(opened, guarded, "cyd", 1)).silent()
    async with AsyncExitStack() as opened:
        await asyncio.sleep(0.3)
        again = [await slow(opened, guarded, "ada", 7) for _ in range(2)]
        assert await again[-1].silent(), "connections that broke off hold nothing"


def hurry(monkeypatch: pytest.MonkeyPatch, patience: float, pace: int = 64 * MB) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", patience)
    monkeypatch.setattr(bodies, "PACE", pace)
    monkeypatch.setattr(bodies, "LINGER", 0.3)


def is_too_slow(told: Answer) -> bool:
    assert told.status == 408, told
    assert told.problem["code"] == "body_too_slow"
    return "content-type: application/problem+json" in told.head.lower()


async def test_what_is_held_is_let_go_of_in_time(
    guarded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sends all but a little of all that is held locks the others out for a while only."""
    monkeypatch.setattr(bodies, "OF_ALL", 8 * MB)
    hurry(monkeypatch, 2.0)
    async with AsyncExitStack() as opened:
        held = await slow(opened, guarded, "ada", 7)
        assert await held.silent()
        assert (await (await slow(opened, guarded, "bob", 5)).answer()).status == 429
        told = await held.answer()
        assert is_too_slow(told)
        assert "connection: close" in told.head.lower()
        assert await held.ended()
        bob = await slow(opened, guarded, "bob", 5)
        await bob.send(b"1")
        assert (await bob.answer()).status == 422, "it was read to its end"


@pytest.mark.parametrize("head", ["Content-Length: 9000000", "Content-Length: 9000", ENDLESS])
async def test_a_body_that_trickles_has_an_end(
    guarded: int, monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    hurry(monkeypatch, 0.3)
    for begin in (0, UNKNOWN + 1):
        if head == "Content-Length: 9000" and begin:
            continue
        async with Client.connected(guarded) as client:
            await client.begin("POST", "/long", JSON, ADA, head)
            if head == ENDLESS:
                if begin:
                    await client.chunk(begin)
                assert is_too_slow(await client.trickle(b"1\r\n \r\n"))
            else:
                await client.send(b" " * begin)
                assert is_too_slow(await client.trickle(b" "))
            assert await client.ended()


async def test_whoever_is_late_and_sends_on_is_told_so(
    nginx: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch, 0.05, 1024 * MB)
    for _ in range(20):
        async with Client.connected(nginx) as client:
            target = "/api/workspace/files/content?app_id=1&path=a"
            await client.begin("PUT", target, JSON, ADA, f"Content-Length: {8 * MB}")
            assert is_too_slow(await client.trickle(b"x" * 4000, every=0.001))


async def test_what_is_larger_may_take_longer(
    guarded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch, 0.3, 2 * MB)
    async with Client.connected(guarded) as large, Client.connected(guarded) as small:
        body = b'{"text":"%s"}' % (b"x" * 8 * MB)
        await large.begin("POST", "/long", JSON, ADA, f"Content-Length: {len(body)}")
        await large.send(body[:1])
        await small.begin("POST", "/long", JSON, ADA, "Content-Length: 100")
        assert is_too_slow(await small.trickle(b" "))
        assert await large.silent()
        await large.send(body[1:])
        assert (await large.answer()).status == 200


async def test_what_is_passed_on_may_take_as_long_as_it_takes(
    guarded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch, 0.1)
    async with Client.connected(guarded) as client:
        await client.begin("POST", "/passed-on", ADA, f"Content-Length: {UNKNOWN + 6}")
        await client.send(b"x" * UNKNOWN)
        for _ in range(6):
            assert await client.silent()
            await client.send(b"x")
        told = await client.answer()
    assert (told.status, told.problem) == (200, UNKNOWN + 6)


async def test_an_answer_may_take_as_long_as_it_takes(
    guarded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also to a request whose body is never asked for, and never comes."""
    hurry(monkeypatch, 0.2)
    for method, body in (("POST", b'{"text":""}'), ("GET", b"")):
        async with Client.connected(guarded) as client:
            length = len(body) or 5
            await client.begin(method, "/slow-answer", JSON, ADA, f"Content-Length: {length}")
            await client.send(body)
            told = await client.answer()
        assert (told.status, told.problem) == (200, b"xxx")


async def test_whoever_is_unknown_cannot_keep_a_body_open(
    the_entry: int, nginx: int, control: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch, 0.3)
    form = "Content-Type: application/x-www-form-urlencoded"
    for port, target, kind in (
        (the_entry, "/api/auth/login", JSON),
        (nginx, "/api/auth/login", JSON),
        (nginx, "/api/apps", JSON),
        (control, "/deployments/1/log", JSON),
        (control, "/registry/token", form),
    ):
        async with Client.connected(port) as client:
            await client.begin("POST", target, kind, "Content-Length: 9000")
            assert is_too_slow(await client.trickle(b"x")), target


def test_every_limit_is_of_a_route() -> None:
    described = entry.create_app(Settings(), serve_metrics=False).openapi()["paths"]
    assert set(entry.BODIES) <= set(described)
    binary = {
        path
        for path, item in described.items()
        for operation in item.values()
        if "application/json"
        not in operation.get("requestBody", {}).get("content", {"application/json": 0})
    }
    assert {path for path, limit in entry.BODIES.items() if limit is None} == binary
