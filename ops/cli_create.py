"""Making an app: empty, or from a template, from a public repository, or from an archive."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.cli_client import CliError, Studio
from ops.cli_common import AppName, AsJson, find_app, studio
from ops.cli_view import as_json, say

PAUSE_SECONDS = 0.2


def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    template: Annotated[
        str | None, typer.Option("--template", "-t", help="See studio templates.")
    ] = None,
    git: Annotated[
        str | None, typer.Option(metavar="URL", help="Begin with a public repository (https).")
    ] = None,
    archive: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Begin with what is in a zip archive.")
    ] = None,
    as_json_: AsJson = False,
) -> None:
    """Make an app with a Git repository of its own."""
    api = studio(context)
    if sum(given is not None for given in (template, git, archive)) > 1:
        raise CliError("an app has one beginning", "--template, --git or --archive")
    app = _new(api, name, template, git) if archive is None else _unpacked(api, name, archive)
    _tell(app, f"Created {app['slug']}.", as_json_)


def import_(context: typer.Context, app: AppName, as_json_: AsJson = False) -> None:
    """Try once more to fetch what an app was to begin with, after it has failed."""
    api = studio(context)
    begun = api.post(f"/api/apps/{find_app(api, app)['id']}/import")
    found = _imported(api, begun)
    _tell(found, f"{found['slug']} has what is at {found['git_url']}.", as_json_)


def _tell(app: dict[str, Any], what: str, as_json_: bool) -> None:
    """What there is, and how to go on with it."""
    if as_json_:
        return as_json(app)
    say(what, "green")
    say(f"  git clone {app['repo_ssh_url']} {app['slug']}")
    return say(f"  studio deploy {app['slug']}")


def _new(api: Studio, name: str, template: str | None, git: str | None) -> dict[str, Any]:
    given = {"name": name, "template": template, "git_url": git}
    return _imported(api, api.post("/api/apps", given))


def _imported(api: Studio, app: dict[str, Any]) -> dict[str, Any]:
    """Waits for what is fetched from elsewhere. Raises CliError when that fails."""
    while app["importing"]:
        time.sleep(PAUSE_SECONDS)
        app = api.get(f"/api/apps/{app['id']}")
    if app["import_error"]:
        slug = app["slug"]
        raise CliError(
            f"{slug}: {app['import_error']}",
            f"the app is there, and empty: studio import {slug} tries again; from another address:"
            f" studio delete {slug}, and create it anew",
        )
    return app


def _unpacked(api: Studio, name: str, archive: Path) -> dict[str, Any]:
    try:
        with archive.open("rb") as file:
            app: dict[str, Any] = api.upload("POST", "/api/apps/archive", {"name": name}, file)
            return app
    except OSError as error:
        raise CliError(f"{archive}: {error.strerror}") from None
