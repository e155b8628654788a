"""For administrators: where on its way something is stuck."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from ops.cli_client import UNAVAILABLE, CliError, Studio
from ops.cli_common import AsJson, find_app, studio
from ops.cli_view import HOP_MARKS, as_json, console, say
from ops.logtext import sanitise
from ops.troubles import HOPS, PATHS, Symptom


def doctor(
    context: typer.Context,
    symptom: Annotated[Symptom, typer.Argument(help="What is seen.")] = Symptom.ANYTHING,
    app: Annotated[
        str | None, typer.Option(help="The app that it is about: an id, or one of your own.")
    ] = None,
    user: Annotated[int | None, typer.Option(min=1, help="Whose workspace, by id.")] = None,
    as_json_: AsJson = False,
) -> None:
    """Look at each hop of a path; exit code 1 when one is red."""
    api = studio(context)
    try:
        asked = {"symptom": symptom.value, "user_id": user, "app_id": _app_id(api, app)}
        found = api.get("/api/admin/doctor", **{k: v for k, v in asked.items() if v is not None})
    except CliError as error:
        if error.code != UNAVAILABLE:
            raise
        found = front(api, symptom, error.what)
    if as_json_:
        as_json(found)
    else:
        _show(found)
    if not found["well"]:
        raise typer.Exit(1)


def _app_id(api: Studio, app: str | None) -> int | None:
    if app is None or (app.isascii() and app.isdigit()):
        return int(app) if app else None
    return int(find_app(api, app)["id"])


def front(api: Studio, symptom: Symptom, why: str) -> dict[str, Any]:
    """What can be seen from here when the studio itself cannot look: its first hops."""
    live = api.reached("/api/health/live")
    seen: dict[str, str] = {"nginx": "" if live is not None else f"nothing answers at {api.server}"}
    if live is not None:
        away = live.status_code != 200
        seen["api"] = f"the entry answers {live.status_code} for it" if away else ""
        if not away:
            ready = api.reached("/api/health/ready")
            seen["mariadb"] = "" if ready is not None and ready.status_code == 200 else why
    hops = [_hop(key, seen.get(key)) for key in PATHS[symptom]]
    return {"symptom": symptom.value, "well": False, "hops": hops}


def _hop(key: str, trouble: str | None) -> dict[str, Any]:
    """As the API tells one; no code, since nothing of this is told in another language."""
    status = "skipped" if trouble is None else "failed" if trouble else "ok"
    return {
        "key": key,
        "title": HOPS[key].title,
        "host": HOPS[key].host,
        "status": status,
        "reason": "not looked at: the studio itself is away" if trouble is None else trouble,
        "code": None,
        "values": {},
        "report": None,
        "next_step": HOPS[key].next_step if status == "failed" else "",
        "log": HOPS[key].log if status == "failed" else "",
        "ms": None,
    }


def _show(found: dict[str, Any]) -> None:
    width = max(len(hop["title"]) for hop in found["hops"])
    for hop in found["hops"]:
        mark, colour = HOP_MARKS[hop["status"]]
        line = Text(f"{mark} ", style=colour)
        line.append(f"{hop['title']:<{width}}  ")
        line.append(f"{hop['host']:<6}", style="dim")
        line.append(sanitise(hop["reason"]), style="red" if hop["status"] == "failed" else "")
        console.print(line, soft_wrap=True)
        if hop["next_step"]:
            say(f"  → {hop['next_step']}", "bold")
    say("Nothing is red." if found["well"] else "")
