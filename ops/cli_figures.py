"""What an app takes of its host, as a small plot; and what changed in its code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from ops.cli_common import AppName, AsJson, find_app, studio
from ops.cli_view import as_json, say, table, when

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 60


def metrics(context: typer.Context, app: AppName, as_json_: AsJson = False) -> None:
    """Processor and memory of an app over the last hour."""
    api = studio(context)
    found = api.get(f"/api/apps/{find_app(api, app)['id']}/metrics")
    if as_json_:
        return as_json(found)
    series = found["series"]
    if not series:
        return say("There are no figures of the last hour.")
    cpu = [point["cpu"] for point in series]
    memory = [_megabytes(point["memory_bytes"]) for point in series]
    say(f"{when(series[0]['at'])}  to  {when(series[-1]['at'])}")
    _plot("CPU", cpu, found["cpu_limit"], "{:.2f} of {:g} cores")
    return _plot("MEMORY", memory, found["memory_limit_bytes"] / 2**20, "{:.0f} of {:.0f} MB")


def _megabytes(value: int | None) -> float | None:
    return None if value is None else value / 2**20


def _plot(name: str, values: Sequence[float | None], limit: float, last: str) -> None:
    known = [value for value in values if value is not None]
    now = last.format(known[-1], limit) if known else "unknown"
    say(f"{name:<7}{bars(values, WIDTH)}  {now}")


def bars(values: Sequence[float | None], width: int) -> str:
    """A line of at most ``width`` bars, the highest of each stretch; a gap is a space."""
    stretch = max(1, -(-len(values) // width))
    parts = [values[at : at + stretch] for at in range(0, len(values), stretch)]
    highest = [max((v for v in part if v is not None), default=None) for part in parts]
    top = max((value for value in highest if value is not None), default=0.0)
    return "".join(
        " "
        if value is None
        else BARS[min(len(BARS) - 1, int(value / top * len(BARS)))]
        if top > 0
        else BARS[0]
        for value in highest
    )


def changes(
    context: typer.Context,
    app: AppName,
    ref: Annotated[str, typer.Option(help="A branch, a tag or a commit.")] = "main",
    as_json_: AsJson = False,
) -> None:
    """The commits that a deployment would bring to the live app."""
    api = studio(context)
    found = api.get(f"/api/apps/{find_app(api, app)['id']}/changes", ref=ref)
    if as_json_:
        return as_json(found)
    if not found["known"]:
        return say("There is no live release to compare with.")
    if not found["added"] and not found["taken_back"]:
        return say(f"{ref} is what is live.")
    rows = [
        [mark, one["commit"][:10], when(one["at"]), one["author"], one["subject"]]
        for mark, kind in (("+", "added"), ("-", "taken_back"))
        for one in found[kind]
    ]
    return table(["", "COMMIT", "AT", "AUTHOR", "SUBJECT"], rows)
