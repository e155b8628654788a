"""How the command line reaches a studio: which server, with which token, and what it answers."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import httpx

DEFAULT_SERVER = "http://studio.localhost:8000"
STREAM = httpx.Timeout(10.0, read=45.0)
"""The server sends a ping every 15 seconds; a longer silence is a dead connection."""
TRANSFER = httpx.Timeout(10.0, read=300.0, write=300.0)
RECONNECT_SECONDS = 0.5
PATIENCE_SECONDS = 3.0
GIVE_UP_SECONDS = 120.0
UNAVAILABLE = 3
"""Exit code: the server, or what it needs, is away."""
DETACHED = 130
"""Exit code: Ctrl-C. What was asked of the server goes on there."""
SIGN_IN = "studio login"
OTHER_SERVER = "another server is chosen with --server or STUDIO_URL"


class CliError(Exception):
    """Shown as one or two lines, without a traceback."""

    def __init__(self, what: str, hint: str = "", code: int = 1) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.code = code


class Ended(Exception):
    """A stream has nothing more to say."""


# --- what is remembered between calls ------------------------------------------------------------


@dataclass
class Memory:
    """Servers and their tokens, in a file that only its owner can read."""

    path: Path
    server: str | None = None
    accounts: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def load(cls) -> Memory:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        path = base / "fun-ai-studio" / "config.json"
        try:
            kept = json.loads(path.read_text())
            return cls(path, kept.get("server"), dict(kept.get("accounts", {})))
        except FileNotFoundError:
            return cls(path)
        except (OSError, ValueError, AttributeError, TypeError):
            raise CliError(f"{path} cannot be read", "delete it and sign in again") from None

    def save(self) -> None:
        new = self.path.with_suffix(".new")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.unlink(missing_ok=True)
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                json.dump({"server": self.server, "accounts": self.accounts}, file, indent=2)
            new.replace(self.path)
        except OSError as error:
            hint = "set XDG_CONFIG_HOME to a folder of yours, or use STUDIO_TOKEN"
            raise CliError(f"{self.path} cannot be written: {error.strerror}", hint) from None


def server_of(option: str | None, memory: Memory) -> str:
    """``--server``, else ``STUDIO_URL``, else the one signed in to last, else this machine's own."""
    chosen = option or os.environ.get("STUDIO_URL") or memory.server or _own_server()
    chosen = chosen if "://" in chosen else f"http://{chosen}"
    try:
        url = httpx.URL(chosen)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise CliError(f"{chosen} is no address of a studio", f"for example {DEFAULT_SERVER}")
    return str(url.copy_with(path="/", query=None, fragment=None)).rstrip("/")


def _own_server() -> str:
    # Only here: it takes as long to import as everything else of a command.
    from ops.settings import load_settings

    try:
        return load_settings().studio_url
    except (OSError, ValueError):
        return DEFAULT_SERVER


# --- the server ----------------------------------------------------------------------------------


class Studio:
    """The API of one server. Errors of the API come out as CliError.

    ``sign_in`` is what a person has to do when the token is not taken.
    """

    def __init__(
        self, server: str, token: str | None, transport: Any = None, sign_in: str = SIGN_IN
    ) -> None:
        self.server = server
        self._sign_in = sign_in if token else ""
        if token and not (token.isascii() and token.isprintable()):
            raise CliError("the token has characters that no token has", sign_in)
        url = httpx.URL(server)
        headers = {"User-Agent": "studio"}
        local = url.host == "localhost" or url.host.endswith(".localhost")
        if local:
            # Browsers take these names for this machine by themselves; Python's resolver does not.
            headers["Host"] = url.netloc.decode()
            url = url.copy_with(host="127.0.0.1")
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx.Client(
            base_url=url,
            headers=headers,
            timeout=30,
            trust_env=not local and url.host != "127.0.0.1",
            transport=transport,
        )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
    ) -> Any:
        """The answer's JSON, None when it has none. What only reads outlasts a short restart."""
        until = time.monotonic() + (PATIENCE_SECONDS if method == "GET" else 0)
        while True:
            try:
                answer = self._http.request(method, path, json=body, params=params)
                error = self._problem(answer) if answer.status_code >= 400 else None
            except httpx.TransportError as broken:
                error = self._away(broken)
            if error is None:
                return self._document(answer)
            if error.code != UNAVAILABLE or time.monotonic() >= until:
                raise error
            time.sleep(RECONNECT_SECONDS)

    def get(self, path: str, **params: Any) -> Any:
        return self.call("GET", path, params=params or None)

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, body)

    def reached(self, path: str) -> httpx.Response | None:
        """Whatever answers; None when nothing does."""
        try:
            return self._http.get(path, timeout=5)
        except httpx.TransportError:
            return None

    def upload(self, method: str, path: str, params: Mapping[str, Any], content: BinaryIO) -> Any:
        """Sends a file as it is."""
        try:
            answer = self._http.request(
                method, path, params=params, content=content, timeout=TRANSFER
            )
        except httpx.TransportError as broken:
            raise self._away(broken) from None
        if answer.status_code >= 400:
            raise self._problem(answer)
        return self._document(answer)

    def download(self, path: str, params: Mapping[str, Any], into: BinaryIO) -> None:
        """Raises CliError also when the answer ends before it is whole."""
        try:
            with self._http.stream("GET", path, params=params, timeout=TRANSFER) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise self._problem(answer)
                for piece in answer.iter_bytes():
                    into.write(piece)
        except httpx.TransportError as broken:
            raise self._away(broken) from None

    def socket(self, path: str, params: Mapping[str, Any]) -> tuple[str, str, int, str]:
        """A WebSocket's address; the host and port to connect to; and the Authorization to send."""
        base = self._http.base_url
        url = httpx.URL(self.server).copy_with(path=path, params=params)
        ws = url.copy_with(scheme="wss" if url.scheme == "https" else "ws")
        port = base.port or (443 if base.scheme == "https" else 80)
        return str(ws), base.host, port, self._http.headers.get("authorization", "")

    def stream(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[Event]:
        """The events of one connection. Raises ``httpx.TransportError`` when it breaks."""
        yield from self._events(path, params, None)

    def follow(
        self, path: str, params: Mapping[str, Any] | None = None, last: str | None = None
    ) -> Iterator[Event]:
        """Events over as many connections as it takes, each going on after the last one's id.

        It ends when the server says so (204), and gives up when it was away for two minutes.
        """
        since = time.monotonic()
        while True:
            try:
                for event in self._events(path, params, last):
                    since = time.monotonic()
                    last = event.id or last
                    yield event
            except Ended:
                return
            except httpx.TransportError as error:
                if time.monotonic() - since > GIVE_UP_SECONDS:
                    raise self._away(error) from None
            except CliError as error:
                if error.code != UNAVAILABLE or time.monotonic() - since > GIVE_UP_SECONDS:
                    raise
            time.sleep(RECONNECT_SECONDS)

    def _events(
        self, path: str, params: Mapping[str, Any] | None, last: str | None
    ) -> Iterator[Event]:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        with self._http.stream(
            "GET", path, params=params, headers=headers, timeout=STREAM
        ) as answer:
            if answer.status_code == 204:
                raise Ended
            if answer.status_code >= 400:
                answer.read()
                raise self._problem(answer)
            yield from parse_events(answer.iter_lines())

    def _document(self, answer: httpx.Response) -> Any:
        """The answer's JSON, None when it has none."""
        if answer.has_redirect_location:
            raise CliError(f"{self.server} leads to {answer.headers['location']}", OTHER_SERVER)
        try:
            return answer.json() if answer.content else None
        except ValueError:
            raise CliError(f"{self.server} does not answer as a studio", OTHER_SERVER) from None

    def _problem(self, answer: httpx.Response) -> CliError:
        return problem(answer, self._sign_in)

    def _away(self, error: Exception) -> CliError:
        return CliError(
            f"{self.server} does not answer ({type(error).__name__})",
            f"is it up? {OTHER_SERVER}",
            UNAVAILABLE,
        )


@dataclass(frozen=True)
class Event:
    name: str
    data: Any
    id: str | None = None


def parse_events(lines: Iterator[str]) -> Iterator[Event]:
    """Server-sent events whose data is JSON; comments (pings) and broken ones are left out."""
    name, data, last = "message", "", None
    for line in lines:
        if line == "":
            if data:
                with contextlib.suppress(ValueError):
                    yield Event(name, json.loads(data), last)
            name, data, last = "message", "", None
            continue
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "event":
            name = value
        elif key == "data":
            data += value
        elif key == "id":
            last = value


def problem(answer: httpx.Response, sign_in: str = SIGN_IN) -> CliError:
    """The error that the API (or something before it) answered; ``sign_in`` is the way out of a 401."""
    code = UNAVAILABLE if answer.status_code in (502, 503, 504) else 1
    try:
        told = answer.json()
        what, hint = str(told["detail"]), str(told.get("hint") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        starting = "it may just be starting; try again in a moment"
        hint = starting if code == UNAVAILABLE else f"is it a studio? {OTHER_SERVER}"
        return CliError(f"the server answered {answer.status_code}", hint, code)
    if answer.status_code == 401:
        # The API's own hint is for people in a browser, too.
        hint = sign_in or hint
    return CliError(what, hint, code)
