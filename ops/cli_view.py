"""What the command line prints. All text is printed as it is: nothing of it is read as markup."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops.logtext import sanitise

console = Console(markup=False, emoji=False, highlight=False)
errors = Console(stderr=True, markup=False, emoji=False, highlight=False)

COLOURS = {
    "LIVE": "green",
    "SUCCEEDED": "green",
    "UP": "green",
    "RUNNING": "cyan",
    "DEPLOYING": "cyan",
    "PENDING": "yellow",
    "DRAINING": "yellow",
    "FAILED": "red",
    "ROLLED_BACK": "red",
    "DOWN": "red",
    "CANCELLED": "magenta",
}
HOP_MARKS = {"ok": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("–", "dim")}
MARKS = {"RUNNING": "◐", "SUCCEEDED": "✓", "FAILED": "✗", "CANCELLED": "–"}


def say(text: str = "", style: str = "") -> None:
    console.print(Text(text, style=style), soft_wrap=True)


def say_error(what: str, hint: str = "") -> None:
    errors.print(Text(sanitise(what), style="red"), soft_wrap=True)
    if hint:
        errors.print(Text(sanitise(hint)), soft_wrap=True)


def as_json(value: Any) -> None:
    """One JSON document on standard output, and nothing else."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


def coloured(word: str) -> Text:
    return Text(word, style=COLOURS.get(word, ""))


def log_text(line: str) -> Text:
    """A line of a log: its colours, and no other control sequence."""
    return Text.from_ansi(sanitise(line))


def log_line(line: str) -> None:
    if console.is_terminal:
        console.print(log_text(line), soft_wrap=True)
    else:
        _piped(log_text(line).plain)


def _piped(line: str) -> None:
    """A line into a pipe or a file, where a tab stays one: Rich would write spaces."""
    console.file.write(line + "\n")
    console.file.flush()


def table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    if not console.is_terminal:
        # Into a pipe: whole values between tabs, nothing cut to a width that nobody has.
        for row in rows:
            _piped("\t".join(str(cell) for cell in row))
        return
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    console.print(made)


def fields(pairs: Sequence[tuple[str, str | Text | None]]) -> None:
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        if value is not None and str(value) != "":
            console.print(
                Text(f"{name:<{width}}  ", style="bold") + Text("") + value, soft_wrap=True
            )


def parsed_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def when(text: str | None) -> str:
    moment = parsed_time(text)
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def seconds(start: str | None, end: str | None, now: datetime | None = None) -> str:
    first, last = parsed_time(start), parsed_time(end) or now
    if first is None or last is None:
        return ""
    spent = max(0.0, (last - first).total_seconds())
    return f"{spent:.1f} s" if spent < 100 else f"{spent // 60:.0f} min {spent % 60:.0f} s"


def stage_line(stage: dict[str, Any], now: datetime | None = None) -> Text:
    """``✓ build      2.1 s  runner-101``"""
    status = str(stage["status"])
    text = Text()
    text.append(f"{MARKS.get(status, '·')} ", style=COLOURS.get(status, ""))
    text.append(f"{stage['name']:<9} ")
    text.append(f"{seconds(stage['started_at'], stage['ended_at'], now):>9}  ")
    text.append(str(stage["host"] or ""), style="dim")
    if stage["attempt"] > 1:
        text.append(f"  attempt {stage['attempt']}", style="yellow")
    if stage["error"]:
        text.append("  " + sanitise(str(stage["error"]))[:200], style="red")
    return text


def timeline(deployment: dict[str, Any], now: datetime | None = None) -> RenderableType:
    head = Text()
    head.append(f"{deployment['kind']} {deployment['id']}  ", style="bold")
    head.append_text(coloured(deployment["status"]))
    if deployment["commit"]:
        head.append(f"  {deployment['commit'][:10]}", style="dim")
    return Group(head, *(stage_line(stage, now) for stage in deployment["stages"]))


def outcome(deployment: dict[str, Any], seen: Collection[str] = ()) -> None:
    """How a deployment ended, and what to do when it did not end well.

    Log lines that were ``seen`` already are not printed once more.
    """
    status = deployment["status"]
    if status == "SUCCEEDED":
        live = seconds(deployment["created_at"], deployment["live_at"])
        if live:
            say(f"Live after {live}: {deployment['url']}", "green")
        else:
            say("Done.", "green")
        return
    error = deployment["error"]
    if error:
        place = " on ".join(part for part in (error["stage"], error["host"]) if part)
        say(f"{status} at {place}:" if place else f"{status}:", COLOURS.get(status, "red"))
        say(sanitise(error["what"]))
        for line in (line for line in error["log_tail"] if line not in seen):
            console.print(Text("  | ") + log_text(line), soft_wrap=True)
        if error["hint"]:
            say(sanitise(error["hint"]), "bold")
    else:
        say(status, COLOURS.get(status, "red"))
    if deployment["removed"]:
        say("Confirmed gone: " + ", ".join(sanitise(name) for name in deployment["removed"]))
