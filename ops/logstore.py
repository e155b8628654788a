"""The logs of deployments as kept by deploy control: one file of JSON lines each.

A kept line is ``{"n", "text", "source", "at"}``; ``n`` counts from 0 without gaps. Senders number
their own lines per *stream* (one run of one sender), so that sending a batch again adds nothing:
stream and number are kept with each line, and thus survive a restart.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ops.logtext import sanitise
from ops.settings import Settings

OPEN_LOGS = 256
READ_BYTES = 256 * 1024
IDLE_SECONDS = 0.5
_MARK = b', "_": '


@dataclass
class _Log:
    """What is known of one log file: the next number, its size, how far each stream came."""

    path: Path
    next: int = 0
    bytes: int = 0
    full: bool = False
    streams: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class LogStore:
    """Appends and reads logs below one folder; used by one process at a time."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self._logs: OrderedDict[int, _Log] = OrderedDict()
        self._changed: dict[int, asyncio.Event] = {}

    @classmethod
    def open(cls, settings: Settings) -> LogStore:
        return cls(settings.data / "control" / "logs", settings.log_bytes)

    def path(self, deployment_id: int) -> Path:
        return self.folder / f"{deployment_id}.jsonl"

    def known(self, deployment_id: int) -> bool:
        """Whether this log was already begun (its deployment then was looked up before)."""
        return deployment_id in self._logs or self.path(deployment_id).exists()

    async def append(
        self, deployment_id: int, source: str, stream: str, first: int, lines: list[str]
    ) -> bool:
        """Adds the lines whose number in ``stream`` (``first`` and on) is new. False: log is full."""
        log = self._log(deployment_id)
        more = await asyncio.to_thread(self._append, log, source, stream, first, lines)
        changed = self._changed.pop(deployment_id, None)
        if changed is not None:
            changed.set()
        return more

    async def read(self, deployment_id: int, after: int = -1) -> AsyncIterator[bytes]:
        """Chunks of whole JSON lines with ``n`` above ``after``."""
        async for chunk, _ in self._read(deployment_id, 0, after + 1):
            yield chunk

    async def follow(
        self, deployment_id: int, after: int, ended: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        """Like ``read``, and goes on until ``ended`` (senders send their last lines before that).

        Yields ``b""`` now and then while nothing comes, so that a reader who left is noticed.
        """
        position, skip = 0, after + 1
        over = await ended()
        try:
            while True:
                changed = self._changed.setdefault(deployment_id, asyncio.Event())
                async for chunk, reached in self._read(deployment_id, position, skip):
                    position, skip = reached, 0
                    yield chunk
                if over:
                    return
                try:
                    await asyncio.wait_for(changed.wait(), IDLE_SECONDS)
                except TimeoutError:
                    yield b""
                    over = await ended()
        finally:
            self._changed.pop(deployment_id, None)

    async def gone(self, after: int, kept: int) -> AsyncIterator[bytes]:
        """What is read in place of a log that was removed, as it is not of the newest ``kept``."""
        if after < 0:
            text = f"… this log is no longer kept: only those of an app's newest {kept} deployments are"
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            yield json.dumps({"n": 0, "text": text, "source": "control", "at": at}).encode() + b"\n"

    def delete(self, *deployment_ids: int) -> None:
        """Removes logs; already gone is success."""
        for deployment_id in deployment_ids:
            self._logs.pop(deployment_id, None)
            self.path(deployment_id).unlink(missing_ok=True)

    def _log(self, deployment_id: int) -> _Log:
        log = self._logs.get(deployment_id)
        if log is None:
            log = self._logs[deployment_id] = _Log(self.path(deployment_id), next=-1)
        self._logs.move_to_end(deployment_id)
        for old in list(self._logs)[: max(0, len(self._logs) - OPEN_LOGS)]:
            if not self._logs[old].lock.locked():
                del self._logs[old]
        return log

    def _append(self, log: _Log, source: str, stream: str, first: int, lines: list[str]) -> bool:
        with log.lock:
            if log.next < 0:
                _load(log, self.limit)
            if log.full:
                return False
            have = log.streams.get(stream, 0)
            fresh = lines[max(0, have - first) :]
            if not fresh:
                return True
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            out: list[bytes] = []

            def add(text: str, number: int) -> None:
                out.append(_encode(log.next, text, source, at, stream, number))
                log.next += 1
                log.bytes += len(out[-1])

            number = max(first, have)
            if first > have:
                add(f"… {first - have} lines were lost on the way here", number - 1)
            for line in fresh:
                if log.bytes >= self.limit:
                    log.full = True
                    add(f"… the log is over {self.limit} bytes: the rest is not kept", number)
                    break
                add(sanitise(line), number)
                number += 1
            log.streams[stream] = number
            log.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(log.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, b"".join(out))
            finally:
                os.close(file)
            return not log.full

    async def _read(
        self, deployment_id: int, position: int, skip: int
    ) -> AsyncIterator[tuple[bytes, int]]:
        """Whole lines from ``position`` on without the first ``skip``, and the position after."""
        path = self.path(deployment_id)
        while True:
            data = await asyncio.to_thread(_read_lines, path, position)
            if not data:
                return
            position += len(data)
            lines = data.splitlines()
            kept = lines[skip:]
            skip = max(0, skip - len(lines))
            if kept:
                yield b"".join(line[: line.rindex(_MARK)] + b"}\n" for line in kept), position


def _encode(n: int, text: str, source: str, at: str, stream: str, number: int) -> bytes:
    record = {"n": n, "text": text, "source": source, "at": at, "_": [stream, number]}
    return json.dumps(record).encode() + b"\n"


def _read_lines(path: Path, position: int) -> bytes:
    """A chunk that ends with a whole line; empty at the end of the file."""
    try:
        with path.open("rb") as file:
            file.seek(position)
            data = file.read(READ_BYTES)
    except FileNotFoundError:
        return b""
    return data[: data.rfind(b"\n") + 1]


def _load(log: _Log, limit: int) -> None:
    """Learns a log's state from its file, and cuts off a line that a crash left half written."""
    log.next = 0
    try:
        data = log.path.read_bytes()
    except FileNotFoundError:
        return
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(log.path, whole)
    for line in data[:whole].splitlines():
        stream, number = json.loads(line[line.rindex(_MARK) + len(_MARK) : -1])
        log.streams[stream] = max(log.streams.get(stream, 0), number + 1)
        log.next += 1
    log.bytes = whole
    log.full = whole >= limit
