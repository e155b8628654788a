"""Deploying, and everything that changes which release is live."""

from __future__ import annotations

import json
import time
from enum import StrEnum
from typing import Annotated, Any

import httpx
import typer

from ops.cli_client import CliError, Studio
from ops.cli_common import AppName, AsJson, DeploymentId, Detach, find_app, studio
from ops.cli_follow import DETACHED, ENDED, follow
from ops.cli_view import as_json, coloured, log_line, say, seconds, table, when

CANCEL_SECONDS = 30.0
PAUSE_SECONDS = 0.5


class OnBusy(StrEnum):
    REJECT = "reject"
    QUEUE = "queue"
    SUPERSEDE = "supersede"


Busy = Annotated[
    OnBusy,
    typer.Option(help="While another one runs: refuse, wait for its end, or cancel it."),
]


def deploy(
    context: typer.Context,
    app: AppName,
    ref: Annotated[str, typer.Option(help="A branch, a tag or a commit.")] = "main",
    on_busy: Busy = OnBusy.REJECT,
    detach: Detach = False,
    as_json_: AsJson = False,
) -> None:
    """Build a commit and make it the live release. Exit code 0 only when it is."""
    api = studio(context)
    body = {"ref": ref, "on_busy": on_busy.value}
    _ask(api, f"/api/apps/{find_app(api, app)['id']}/deployments", body, detach, as_json_)


def rollback(
    context: typer.Context,
    app: AppName,
    deployment: Annotated[
        int | None, typer.Argument(help="Else the release before the live one.", min=1)
    ] = None,
    on_busy: Busy = OnBusy.REJECT,
    detach: Detach = False,
    as_json_: AsJson = False,
) -> None:
    """Make an earlier release live again."""
    api = studio(context)
    body = {"deployment_id": deployment, "on_busy": on_busy.value}
    _ask(api, f"/api/apps/{find_app(api, app)['id']}/rollback", body, detach, as_json_)


def start(
    context: typer.Context, app: AppName, detach: Detach = False, as_json_: AsJson = False
) -> None:
    """Start the last release of a stopped app."""
    api = studio(context)
    _ask(api, f"/api/apps/{find_app(api, app)['id']}/start", {}, detach, as_json_)


def stop(
    context: typer.Context, app: AppName, detach: Detach = False, as_json_: AsJson = False
) -> None:
    """Take an app off the web."""
    api = studio(context)
    _ask(api, f"/api/apps/{find_app(api, app)['id']}/stop", {}, detach, as_json_)


def retry(
    context: typer.Context,
    deployment: DeploymentId,
    detach: Detach = False,
    as_json_: AsJson = False,
) -> None:
    """Do a failed or cancelled deployment again."""
    _ask(studio(context), f"/api/deployments/{deployment}/retry", {}, detach, as_json_)


def _ask(api: Studio, path: str, body: dict[str, Any], detach: bool, as_json_: bool) -> None:
    made = api.post(path, body)
    raise typer.Exit(follow(api, int(made["id"]), as_json_=as_json_, detach=detach))


def cancel(context: typer.Context, deployment: DeploymentId, as_json_: AsJson = False) -> None:
    """End a deployment and remove every trace of it."""
    api = studio(context)
    path = f"/api/deployments/{deployment}"
    api.post(f"{path}/cancel")
    until = time.monotonic() + CANCEL_SECONDS
    last = api.get(path)
    while last["status"] not in ENDED and time.monotonic() < until:
        time.sleep(PAUSE_SECONDS)
        last = api.get(path)
    if as_json_:
        as_json(last)
    elif last["status"] in ENDED:
        say(f"Deployment {deployment} is {last['status']}.")
        if last["removed"]:
            say("Confirmed gone: " + ", ".join(last["removed"]))
    else:
        say(f"Deployment {deployment} is still being undone: studio status")
    raise typer.Exit(0 if last["status"] == "CANCELLED" else 1)


def deployments(
    context: typer.Context,
    app: AppName,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    as_json_: AsJson = False,
) -> None:
    """The deployments of an app, the newest first."""
    api = studio(context)
    rows = api.get(f"/api/apps/{find_app(api, app)['id']}/deployments", limit=limit)
    if as_json_:
        return as_json(rows)
    return table(
        ["ID", "KIND", "STATUS", "REF", "COMMIT", "LIVE AFTER", "CREATED", "ROLLBACK"],
        [
            [
                str(row["id"]),
                row["kind"],
                coloured(row["status"]),
                row["ref"],
                (row["commit"] or "")[:10],
                seconds(row["created_at"], row["live_at"]),
                when(row["created_at"]),
                "possible" if row["can_roll_back"] else "",
            ]
            for row in rows
        ],
    )


def logs(
    context: typer.Context,
    app: AppName,
    following: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    tail: Annotated[int, typer.Option(min=0, max=5000, help="Lines from before.")] = 100,
    deployment: Annotated[
        int | None, typer.Option(min=1, help="The log of this deployment instead.")
    ] = None,
    as_json_: AsJson = False,
) -> None:
    """What the live release prints, or the log of a deployment."""
    api = studio(context)
    found = find_app(api, app)
    path, params = f"/api/apps/{found['id']}/logs", {"tail": tail, "follow": following}
    if deployment is not None:
        path, params = f"/api/deployments/{deployment}/log", {"follow": True}
    try:
        _print_logs(api, path, params, following, as_json_)
    except KeyboardInterrupt:
        raise typer.Exit(DETACHED) from None


def _print_logs(
    api: Studio, path: str, params: dict[str, Any], following: bool, as_json_: bool
) -> None:
    """Prints lines as they come; with JSON each event is a line of its own when following."""
    kept = []
    given = {key: str(value).lower() for key, value in params.items()}
    try:
        for event in api.stream(path, given):
            if event.name == "end":
                break
            if not as_json_:
                log_line(event.data["text"])
            elif following:
                typer.echo(json.dumps(event.data, ensure_ascii=False))
            else:
                kept.append(event.data)
    except httpx.TransportError as error:
        raise CliError(f"the connection broke ({type(error).__name__})", "try again") from None
    if as_json_ and not following:
        as_json(kept)
