"""Deploying, and everything that changes which release is live."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated, Any

import typer

from ops.cli_client import CliError, Studio
from ops.cli_common import AppName, AsJson, DeploymentId, Detach, find_app, studio
from ops.cli_follow import ENDED, follow
from ops.cli_view import as_json, coloured, say, seconds, table, when

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


def cancel(
    context: typer.Context,
    which: Annotated[
        str, typer.Argument(metavar="DEPLOYMENT|APP", help="Its number, or an app by its name.")
    ],
    as_json_: AsJson = False,
) -> None:
    """End a deployment, or the one that runs of an app, and remove every trace of it."""
    api = studio(context)
    number = which.isascii() and which.isdigit()
    deployment = int(which) if number else _running(api, find_app(api, which))
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
        say(f"Deployment {deployment} is still being undone: studio deployments APP")
    raise typer.Exit(0 if last["status"] == "CANCELLED" else 1)


def _running(api: Studio, app: dict[str, Any]) -> int:
    """The deployment of an app that runs; those that only wait for its end are newer."""
    rows = api.get(f"/api/apps/{app['id']}/deployments")
    open_ = [int(row["id"]) for row in rows if row["status"] not in ENDED]
    if not open_:
        raise CliError(f"no deployment of {app['slug']} is running", "studio deployments APP")
    return min(open_)


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
