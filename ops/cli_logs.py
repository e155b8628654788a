"""``studio logs``: what an app prints, and the log of a deployment."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import typer

from ops.cli_client import GIVE_UP_SECONDS, RECONNECT_SECONDS, CliError, Event, Studio
from ops.cli_common import AsJson, find_app, studio
from ops.cli_view import as_json, log_line

MAX_TAIL = 5000


def logs(
    context: typer.Context,
    app: Annotated[
        str | None, typer.Argument(metavar="[APP]", help="Its id, its slug or its name.")
    ] = None,
    following: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    tail: Annotated[int, typer.Option(min=0, max=MAX_TAIL, help="Lines from before.")] = 100,
    deployment: Annotated[
        int | None, typer.Option(min=1, help="The log of this deployment instead.")
    ] = None,
    as_json_: AsJson = False,
) -> None:
    """What the live release prints, or the log of a deployment."""
    if app is None and deployment is None:
        raise CliError("which app, or which deployment?", "studio logs APP")
    api = studio(context)
    if deployment is not None:
        # It ends with the deployment.
        events = api.follow(f"/api/deployments/{deployment}/log", {"follow": "true"})
    else:
        assert app is not None
        app_id = int(find_app(api, app)["id"])
        events = _releases(api, app_id, tail) if following else _connection(api, app_id, tail)
    _print(events, following, as_json_)


def _print(events: Iterator[Event], following: bool, as_json_: bool) -> None:
    """Prints lines as they come; with JSON each is a document of its own when following."""
    kept = []
    for event in events:
        if event.name == "end":
            break
        if not as_json_:
            log_line(event.data["text"])
        elif following:
            typer.echo(json.dumps(event.data, ensure_ascii=False))
        else:
            kept.append(event.data)
    if as_json_ and not following:
        as_json(kept)


def _connection(api: Studio, app_id: int, tail: int, follow: bool = False) -> Iterator[Event]:
    """The lines of one connection, and why it ended. Raises CliError when it breaks."""
    asked = {"tail": tail, "follow": "true" if follow else "false"}
    try:
        yield from api.stream(f"/api/apps/{app_id}/logs", asked)
    except httpx.TransportError as error:
        raise CliError(f"the connection broke ({type(error).__name__})", "try again") from None


def _releases(api: Studio, app_id: int, tail: int) -> Iterator[Event]:
    """Lines over as many containers and connections as it takes.

    Raises CliError when the app is not live, or its log was away for two minutes.
    """
    shown: int | None = None
    away: float | None = None
    while True:
        live = _live_release(api, app_id)
        if live != shown:
            # All that a release printed which came meanwhile; before the first, what was asked.
            tail, shown = (tail if shown is None else MAX_TAIL), live
        try:
            for event in _connection(api, app_id, tail, follow=True):
                away = None
                if event.name == "line":
                    tail = 0
                    yield event
                elif event.data.get("reason") == "ended":
                    # A container is never started again: the next one's log is new.
                    tail = MAX_TAIL
        except CliError:
            away = away or time.monotonic()
            if live is None or time.monotonic() - away > GIVE_UP_SECONDS:
                raise
        time.sleep(RECONNECT_SECONDS)


def _live_release(api: Studio, app_id: int) -> int | None:
    """None for an app that is not on the web."""
    app: dict[str, Any] = api.get(f"/api/apps/{app_id}")
    return None if app["status"] == "STOPPED" else app["live_deployment"]
