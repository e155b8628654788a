"""What the commands share: the server that is meant, the app that is meant, and their options."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ops.cli_client import SIGN_IN, UNAVAILABLE, CliError, Memory, Studio, server_of

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]
AppName = Annotated[str, typer.Argument(metavar="APP", help="Its id, its slug or its name.")]
DeploymentId = Annotated[int, typer.Argument(metavar="DEPLOYMENT", min=1)]
OTHER_TOKEN = f"set STUDIO_TOKEN to another token, or unset it and: {SIGN_IN}"
Detach = Annotated[bool, typer.Option("--detach", help="Do not wait for the end.")]


@dataclass
class Choice:
    """The global options, before any command needs a connection."""

    server: str | None = None


class OnTheMachine(TyperGroup):
    """Commands that use the platform's own code, whose errors come out as the command line's."""

    def invoke(self, ctx: Any) -> Any:
        # Only here: the error tree takes as long to import as everything else of a command.
        from ops.errors import NodeUnavailable, StudioError

        try:
            return super().invoke(ctx)
        except NodeUnavailable as error:
            raise CliError(error.what, error.hint, UNAVAILABLE) from None
        except StudioError as error:
            raise CliError(error.what, error.hint) from None
        except PermissionError as error:
            raise CliError(f"{error.filename} is for root alone", "run this as root") from None


def address(context: typer.Context) -> tuple[str, Memory]:
    memory = Memory.load()
    choice = context.find_root().obj
    return server_of(choice.server if isinstance(choice, Choice) else None, memory), memory


def studio(context: typer.Context) -> Studio:
    """The server with the token that is kept for it. Raises CliError when nobody is signed in."""
    server, memory = address(context)
    given = os.environ.get("STUDIO_TOKEN")
    token = given or memory.accounts.get(server, {}).get("token")
    if not token:
        raise CliError(f"you are not signed in to {server}", SIGN_IN)
    # Signing in changes nothing while the environment has a token.
    return Studio(server, token, sign_in=OTHER_TOKEN if given else SIGN_IN)


def find_app(api: Studio, name: str) -> dict[str, Any]:
    """The one app that an id, a slug or a name means."""
    apps: list[dict[str, Any]] = api.get("/api/apps")
    for key in ("id", "slug", "name"):
        found = [app for app in apps if str(app[key]) == name]
        if len(found) == 1:
            return found[0]
        if found:
            slugs = ", ".join(app["slug"] for app in found)
            raise CliError(f"several apps are named {name!r}", f"say which by its slug: {slugs}")
    known = ", ".join(app["slug"] for app in apps[:20])
    raise CliError(
        f"you have no app {name!r}", f"you have: {known}" if known else "studio create NAME"
    )


def open_app_id(api: Studio, name: str | None) -> int:
    """The app that is named, else the one that is open in the workspace."""
    if name is not None:
        return int(find_app(api, name)["id"])
    app_id = api.get("/api/workspace")["app_id"]
    if app_id is None:
        raise CliError("no app is open in your workspace", "studio open APP")
    return int(app_id)
