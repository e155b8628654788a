"""Showing the preview of an app to others, and withdrawing that again."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from ops.cli_client import CliError
from ops.cli_common import AsJson, open_app_id, studio
from ops.cli_view import as_json, say, table, when

UNITS = {"m": 60, "h": 3600, "d": 24 * 3600}


def seconds(text: str) -> int:
    """``30m``, ``12h``, ``7d``. Raises CliError."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", text)
    if not found:
        raise CliError(f"{text!r} is no duration", "for example 30m, 12h or 7d")
    return int(found[1]) * UNITS[found[2]]


def share(
    context: typer.Context,
    app: Annotated[
        str | None, typer.Argument(metavar="[APP]", help="Else the one that is open.")
    ] = None,
    lasts: Annotated[str, typer.Option("--for", help="30m, 12h, 7d …")] = "24h",
    listed: Annotated[bool, typer.Option("--list", help="The links that still work.")] = False,
    withdraw: Annotated[
        int | None, typer.Option(min=1, metavar="ID", help="Close this link, and who it let in.")
    ] = None,
    as_json_: AsJson = False,
) -> None:
    """Make a link that shows the preview of an app, while it runs, to whoever has it."""
    api = studio(context)
    if withdraw is not None:
        api.call("DELETE", f"/api/workspace/share-links/{withdraw}")
        return as_json({"withdrawn": withdraw}) if as_json_ else say(f"Link {withdraw} is closed.")
    if listed:
        links = api.get("/api/workspace/share-links")
        if as_json_:
            return as_json(links)
        return table(
            ["ID", "APP", "MADE", "UNTIL"],
            [
                [str(k["id"]), str(k["app_id"]), when(k["created_at"]), when(k["expires_at"])]
                for k in links
            ],
        )
    asked = {"app_id": open_app_id(api, app), "expires_in": seconds(lasts)}
    made = api.post("/api/workspace/share-links", asked)
    if as_json_:
        return as_json(made)
    say(f"  {made['url']}")
    say(f"  (until {when(made['expires_at'])}; studio share --withdraw {made['id']} closes it)")
    return None
