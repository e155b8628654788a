"""The workspace: opening an app in it, running its tasks, and how it is."""

from __future__ import annotations

import time
import webbrowser
from enum import StrEnum
from typing import Annotated, Any

import typer

from ops.cli_client import DETACHED, CliError, Studio
from ops.cli_common import AppName, AsJson, Detach, find_app, open_app_id, studio
from ops.cli_view import as_json, coloured, fields, log_line, say, when

workspace = typer.Typer(no_args_is_help=True, help="The workspace that you develop in.")

PAUSE_SECONDS = 0.2
OPEN_SECONDS = 400.0
SERVERS = frozenset({"dev", "start"})


class Task(StrEnum):
    DEV = "dev"
    START = "start"
    BUILD = "build"
    INSTALL = "install"
    STOP = "stop"


def open_(context: typer.Context, app: AppName, as_json_: AsJson = False) -> None:
    """Open an app in your workspace."""
    api = studio(context)
    found = find_app(api, app)
    opened = _opened(api, found["id"])
    if as_json_:
        return as_json(opened)
    say(f"{found['slug']} is open on {opened['node']}.", "green")
    say(f"  studio run dev    then see it at {opened['preview_url']}")
    return None


def _opened(api: Studio, app_id: int) -> dict[str, Any]:
    """Waits for a repository that takes long."""
    until = time.monotonic() + OPEN_SECONDS
    state: dict[str, Any] = api.post("/api/workspace/open", {"app_id": app_id})
    while state["status"] == "STARTING" and time.monotonic() < until:
        time.sleep(PAUSE_SECONDS)
        state = api.get("/api/workspace")
        if state["status"] == "RUNNING" and state["app_id"] != app_id:
            state["status"] = "STARTING"
    if state["status"] != "RUNNING":
        raise CliError(f"the workspace is {state['status']}", "studio workspace status")
    return state


def run(
    context: typer.Context,
    task: Annotated[Task, typer.Argument(help="stop ends what runs.")],
    app: Annotated[
        str | None, typer.Argument(metavar="[APP]", help="Else the one that is open.")
    ] = None,
    detach: Detach = False,
    as_json_: AsJson = False,
) -> None:
    """Run a task of an app in your workspace: a dev server, a build, an install.

    Exit code 0: the server answers, or the task has succeeded.
    """
    api = studio(context)
    if task is Task.STOP:
        state = api.call("DELETE", "/api/workspace/run")
    else:
        state = api.post(
            "/api/workspace/run", {"app_id": open_app_id(api, app), "task": task.value}
        )
    try:
        if not detach and task is not Task.STOP:
            state = _settled(api, state)
    except KeyboardInterrupt:
        say("\nDetached; it goes on. To end it: studio run stop")
        raise typer.Exit(DETACHED) from None
    if as_json_:
        as_json(state)
    else:
        _tell(api, state)
    if state["state"] in ("FAILED", "DEAD"):
        raise typer.Exit(1)


def _settled(api: Studio, state: dict[str, Any]) -> dict[str, Any]:
    """Until a server answers, or a task has ended."""
    started = state["run_id"]
    while state["run_id"] == started and (
        state["state"] == "STARTING"
        or (state["state"] == "RUNNING" and state["task"] not in SERVERS)
    ):
        time.sleep(PAUSE_SECONDS)
        state = api.get("/api/workspace/run")
    return state


def _tell(api: Studio, state: dict[str, Any]) -> None:
    for line in state["log_tail"]:
        log_line(line)
    code = f" with exit code {state['exit_code']}" if state["exit_code"] is not None else ""
    say(f"{state['task'] or 'nothing'}: {state['state']}{code}")
    if state["state"] == "RUNNING" and state["task"] in SERVERS:
        say(f"  {api.post('/api/workspace/preview-ticket')['url']}")
        say("  (opens the preview in a browser; good once, for a minute)")


def code(
    context: typer.Context,
    app: Annotated[
        str | None, typer.Argument(metavar="[APP]", help="Else the one that is open.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--open", help="Open it in this machine's browser.")
    ] = False,
    as_json_: AsJson = False,
) -> None:
    """Start VS Code in your workspace, and print the address that opens it."""
    api = studio(context)
    made = api.post("/api/workspace/code", {"app_id": open_app_id(api, app)})
    if as_json_:
        return as_json(made)
    say(f"  {made['url']}")
    say("  (opens VS Code in a browser; good once, for a minute)")
    if show and not webbrowser.open(made["url"]):
        raise CliError("this machine has no browser to open it in", "use the address above")
    return None


@workspace.command("status")
def status(context: typer.Context, as_json_: AsJson = False) -> None:
    """How your workspace is, and what runs in it."""
    api = studio(context)
    state = api.get("/api/workspace")
    if as_json_:
        return as_json(state)
    running = state["run"]
    return fields(
        [
            ("workspace", coloured(state["status"])),
            ("app", str(state["app_id"] or "")),
            ("node", state["node"]),
            ("preview", state["preview_url"]),
            ("task", running["task"]),
            ("state", coloured(running["state"])),
            ("started", when(running["started_at"]) if running["started_at"] else ""),
            ("exit code", "" if running["exit_code"] is None else str(running["exit_code"])),
            ("mongo", "on 127.0.0.1:27017" if state["dev_mongo"] else "off"),
        ]
    )


@workspace.command("close")
def close(context: typer.Context, as_json_: AsJson = False) -> None:
    """Save what is not committed to studio/autosave, and stop; the files stay."""
    state = studio(context).post("/api/workspace/close")
    return as_json(state) if as_json_ else say(f"The workspace is {state['status']}.")


@workspace.command("mongo")
def mongo(
    context: typer.Context,
    switch: Annotated[str, typer.Argument(metavar="on|off")],
    as_json_: AsJson = False,
) -> None:
    """A MongoDB of your own in the workspace, from its next opening on."""
    if switch not in ("on", "off"):
        raise CliError(f"{switch!r} is neither on nor off", "studio workspace mongo on")
    state = studio(context).call("PATCH", "/api/workspace", {"dev_mongo": switch == "on"})
    return as_json(state) if as_json_ else say(f"From the next opening: {switch}.")
