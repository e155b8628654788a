"""Apps: listing, creating, describing, deleting; and their environment."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from ops.cli_client import CliError
from ops.cli_common import AppName, AsJson, find_app, studio
from ops.cli_view import as_json, coloured, console, fields, say, table, timeline, when

env = typer.Typer(no_args_is_help=True, help="An app's environment variables.")


def apps(context: typer.Context, as_json_: AsJson = False) -> None:
    """Your apps."""
    found = studio(context).get("/api/apps")
    if as_json_:
        return as_json(found)
    if not found:
        return say("You have no app yet: studio create NAME --template express-api")
    return table(
        ["ID", "SLUG", "NAME", "STATUS", "URL"],
        [[str(a["id"]), a["slug"], a["name"], coloured(a["status"]), a["url"]] for a in found],
    )


def templates(context: typer.Context, as_json_: AsJson = False) -> None:
    """What an app can start from."""
    found = studio(context).get("/api/templates")
    if as_json_:
        return as_json(found)
    return table(
        ["NAME", "TITLE", "WHAT IT IS"],
        [[t["name"], t["title"], t["description"]] for t in found],
    )


def status(
    context: typer.Context,
    app: Annotated[str | None, typer.Argument(metavar="[APP]")] = None,
    as_json_: AsJson = False,
) -> None:
    """How the studio is, or one app with its latest deployment."""
    api = studio(context)
    if app is None:
        me, ready = api.get("/api/me"), _ready(context)
        if as_json_:
            return as_json({"server": api.server, "ready": ready, "account": me})
        return fields(
            [
                ("server", api.server),
                ("ready", "yes" if ready is True else str(ready)),
                ("account", me["email"] + (" (administrator)" if me["is_admin"] else "")),
            ]
        )
    found = find_app(api, app)
    latest = api.get(f"/api/apps/{found['id']}/deployments", limit=1)
    if as_json_:
        return as_json(found | {"latest_deployment": latest[0] if latest else None})
    _describe(found)
    if latest:
        say()
        console.print(timeline(latest[0]))
    return None


def _ready(context: typer.Context) -> bool | str:
    try:
        studio(context).get("/api/health/ready")
    except CliError as error:
        return error.what
    return True


def _describe(app: dict[str, Any]) -> None:
    fields(
        [
            ("name", app["name"]),
            ("id", str(app["id"])),
            ("status", coloured(app["status"])),
            ("url", app["url"]),
            ("git", app["repo_ssh_url"]),
            ("node", app["node"]),
            ("release", str(app["live_deployment"] or "")),
            ("template", app["template"]),
            ("created", when(app["created_at"])),
        ]
    )


def url(context: typer.Context, app: AppName, as_json_: AsJson = False) -> None:
    """Print an app's public address."""
    found = find_app(studio(context), app)
    return as_json({"url": found["url"]}) if as_json_ else say(found["url"])


def delete(
    context: typer.Context,
    app: AppName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json_: AsJson = False,
) -> None:
    """Delete an app with its repository, its releases and its data."""
    api = studio(context)
    found = find_app(api, app)
    if not yes:
        if not sys.stdin.isatty():
            raise CliError("deleting cannot be undone", "say --yes")
        say(f"This deletes {found['name']} with its repository, its releases and its database.")
        if typer.prompt(f"Type {found['slug']} to go on") != found["slug"]:
            raise CliError("nothing was deleted")
    gone = api.call("DELETE", f"/api/apps/{found['id']}")
    return as_json(gone) if as_json_ else say(f"{found['slug']} is being deleted.")


# --- environment -------------------------------------------------------------------------------


@env.command("list")
def list_env(
    context: typer.Context,
    app: AppName,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the values.")] = False,
    as_json_: AsJson = False,
) -> None:
    """The variables of an app."""
    api = studio(context)
    path = f"/api/apps/{find_app(api, app)['id']}/env"
    variables = api.get(path, reveal="true" if reveal else "false")["variables"]
    if as_json_:
        return as_json(variables)
    return table(
        ["KEY", "VALUE", "ALSO AT BUILD"],
        [[v["key"], repr(v["value"])[1:-1], "yes" if v["at_build"] else ""] for v in variables],
    )


@env.command("set")
def set_env(
    context: typer.Context,
    app: AppName,
    pairs: Annotated[
        list[str],
        typer.Argument(metavar="KEY=VALUE…", help="A KEY alone is asked for, unseen."),
    ],
    build: Annotated[bool, typer.Option("--build", help="Also give them to the build.")] = False,
    as_json_: AsJson = False,
) -> None:
    """Set variables; they take effect with the next deployment or start."""
    given = []
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            # On the command line others could read it.
            value = typer.prompt(key, hide_input=True) if sys.stdin.isatty() else _line(key)
        given.append({"key": key, "value": value, "at_build": build})
    _change(context, app, {"set": given}, as_json_)


def _line(key: str) -> str:
    line = sys.stdin.readline()
    if not line:
        raise CliError(f"{key} has no value", f"{key}=VALUE, or a line of standard input")
    return line.rstrip("\r\n")


@env.command("unset")
def unset_env(
    context: typer.Context,
    app: AppName,
    keys: Annotated[list[str], typer.Argument(metavar="KEY…")],
    as_json_: AsJson = False,
) -> None:
    """Remove variables."""
    _change(context, app, {"unset": keys}, as_json_)


def _change(context: typer.Context, app: str, body: dict[str, Any], as_json_: bool) -> None:
    api = studio(context)
    found = find_app(api, app)
    variables = api.call("PATCH", f"/api/apps/{found['id']}/env", body)["variables"]
    if as_json_:
        return as_json(variables)
    return say(
        f"Variables of {found['slug']}: {', '.join(v['key'] for v in variables) or 'none'}. "
        "They take effect with the next deployment or start."
    )
