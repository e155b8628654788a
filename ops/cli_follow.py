"""Following a deployment on the terminal: its stages as they go, its log as it comes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.live import Live

from ops.cli_client import DETACHED, CliError, Studio
from ops.cli_view import as_json, console, log_line, outcome, say, stage_line, timeline

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED", "ROLLED_BACK"})
FRAME_SECONDS = 0.1
LAST_LINES_SECONDS = 3.0

Item = tuple[str, Any]


def follow(api: Studio, deployment_id: int, *, as_json_: bool, detach: bool) -> int:
    """The exit code: 0 only when it SUCCEEDED. Ctrl-C leaves it running."""
    if detach:
        if as_json_:
            as_json(api.get(f"/api/deployments/{deployment_id}"))
        else:
            say(f"Deployment {deployment_id} is under way: studio cancel {deployment_id} ends it")
        return 0
    seen: set[str] = set()
    try:
        last = _quietly(api, deployment_id) if as_json_ else _watched(api, deployment_id, seen)
    except KeyboardInterrupt:
        if not as_json_:
            say(f"\nDetached; deployment {deployment_id} goes on.")
            say(f"To end it: studio cancel {deployment_id}")
        return DETACHED
    if as_json_:
        as_json(last)
    else:
        outcome(last, seen)
    return 0 if last["status"] == "SUCCEEDED" else 1


def _quietly(api: Studio, deployment_id: int) -> dict[str, Any]:
    for event in api.follow(f"/api/deployments/{deployment_id}/events"):
        if event.data.get("status") in ENDED:
            return dict(event.data)
    return dict(api.get(f"/api/deployments/{deployment_id}"))


def _watched(api: Studio, deployment_id: int, seen: set[str]) -> dict[str, Any]:
    """Prints until the deployment has ended and its log is through; notes the lines in ``seen``."""
    items: queue.Queue[Item] = queue.Queue()
    path = f"/api/deployments/{deployment_id}"
    _in_thread(items, "deployment", api.follow(f"{path}/events"))
    _in_thread(items, "line", api.follow(f"{path}/log", {"follow": "true"}))
    last: dict[str, Any] | None = None
    log_ended = False
    shown = _Live() if console.is_terminal else _Lines()
    with shown.open():
        while last is None or last["status"] not in ENDED or not log_ended:
            ended = last is not None and last["status"] in ENDED
            try:
                kind, data = items.get(timeout=LAST_LINES_SECONDS if ended else FRAME_SECONDS)
            except queue.Empty:
                if ended:
                    break
                shown.tick()
                continue
            if kind == "deployment":
                last = data
                shown.deployment(data)
            elif kind == "line":
                seen.add(data["text"])
                shown.line(data["text"])
            elif kind == "end of line":
                log_ended = True
            elif kind == "end of deployment" and not ended:
                last = dict(api.get(path))
                shown.deployment(last)
            elif kind == "failed":
                raise data
    assert last is not None
    return last


def _in_thread(items: queue.Queue[Item], name: str, events: Iterator[Any]) -> None:
    """Reads a stream in a thread of its own, which dies with the process."""

    def read() -> None:
        try:
            for event in events:
                if event.name == "end":
                    break
                items.put((name, event.data))
                if name == "deployment" and event.data.get("status") in ENDED:
                    break
        except CliError as error:
            items.put(("failed" if name == "deployment" else f"end of {name}", error))
            return
        items.put((f"end of {name}", None))

    threading.Thread(target=read, name=name, daemon=True).start()


class _Live:
    """On a terminal: the log runs above a timeline that is drawn anew."""

    def __init__(self) -> None:
        self._live = Live(console=console, auto_refresh=False)
        self._last: dict[str, Any] | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        with self._live:
            yield

    def deployment(self, deployment: dict[str, Any]) -> None:
        self._last = deployment
        self.tick()

    def line(self, text: str) -> None:
        log_line(text)

    def tick(self) -> None:
        if self._last is not None:
            self._live.update(timeline(self._last, datetime.now(UTC)), refresh=True)


class _Lines:
    """Into a pipe or a file: a line for each stage that ends, between those of the log."""

    def __init__(self) -> None:
        self._told: set[tuple[str, int]] = set()

    @contextmanager
    def open(self) -> Iterator[None]:
        yield

    def deployment(self, deployment: dict[str, Any]) -> None:
        for stage in deployment["stages"]:
            if stage["ended_at"] and (stage["name"], stage["attempt"]) not in self._told:
                self._told.add((stage["name"], stage["attempt"]))
                console.print(stage_line(stage), soft_wrap=True)

    def line(self, text: str) -> None:
        log_line(text)

    def tick(self) -> None:
        """Nothing moves in a file."""
