"""``studio bench``: figures side by side in one run, on the machine that the platform runs on."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from ops.bench import aims
from ops.cli_common import OnTheMachine
from ops.cli_view import as_json

# The benchmarks, the settings and the error tree are imported when one runs: they take twice as
# long to load as the rest of the command line does, and need Docker and root.
if TYPE_CHECKING:
    from ops.bench.deploy import Report
    from ops.bench.page import Report as PageReport
    from ops.bench.workspace import Report as WorkspaceReport


bench = typer.Typer(
    cls=OnTheMachine,
    no_args_is_help=True,
    help="Benchmarks; run as root where the platform runs, when it is idle.",
)

AFTER_LIVE = ("soak", "retire")
AIM = ("aim", "")
"""The last two columns: what a figure is to reach, and whether it has."""
MEGABYTE = 1024 * 1024


@bench.callback()
def group() -> None:
    """Benchmarks; run as root where the platform runs, when it is idle."""


@bench.command("deploy")
def bench_deploy(
    rounds: Annotated[int, typer.Option(min=1, help="How often; medians are shown.")] = 7,
    at_once: Annotated[int, typer.Option(min=1, help="New apps deployed at once.")] = 10,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """A bare script (clone, build, push, pull, run) beside the platform, a row per stage."""
    from ops.bench.deploy import run
    from ops.settings import load_settings

    console = Console(stderr=True)
    with console.status("starting") as status:
        report = run(load_settings(), status.update, rounds=rounds, at_once=at_once)
    if json:
        as_json(asdict(report))
        return
    show(report, Console())


def show(report: Report, console: Console) -> None:
    steps = Table("case", "step", "seconds (median)", title="Deployments")
    for name, case in report.cases.items():
        for stage, seconds in case.stages.items():
            after = " (after it is live)" if stage in AFTER_LIVE else ""
            steps.add_row("", stage + after, f"{seconds:.3f}")
        steps.add_row(name, "up to live", f"{case.total:.3f}", style="bold", end_section=True)
    console.print(steps)
    console.print(_side_by_side(report))
    memory = Table("process", "PSS", *AIM, title="Memory of the idle platform")
    for name, used in report.memory.items():
        memory.add_row(name, f"{used / MEGABYTE:.0f} MB", *aims.NO_AIM)
    together = sum(report.memory.values()) / MEGABYTE
    reached = aims.IDLE_MEMORY.columns(together)
    memory.add_row("all", f"{together:.0f} MB", *reached, style="bold")
    console.print(memory)


def _side_by_side(report: Report) -> Table:
    totals = Table("figure", "bare script", "platform", "ratio", *AIM, title="Side by side")
    cases = report.cases

    def compared(what: str, bare: float, platform: float) -> tuple[str, str, str, str]:
        return what, f"{bare:.2f} s", f"{platform:.2f} s", f"{platform / bare:.2f}"

    what = "one line changed"
    bare, platform = cases[f"bare: {what}"].total, cases[f"platform: {what}"].total
    totals.add_row(*compared(what, bare, platform), *aims.CHANGED.columns(platform / bare))
    what = "nothing changed"
    bare, platform = cases[f"bare: {what}"].total, cases[f"platform: {what}"].total
    totals.add_row(*compared(what, bare, platform), *aims.UNCHANGED.columns(platform))
    back = cases["platform: rollback"].total
    totals.add_row("rollback", "", f"{back:.2f} s", "", *aims.ROLLBACK.columns(back))
    many = f"{report.at_once} apps: in a row / at once"
    bare, platform = report.ten_bare, report.ten_platform
    totals.add_row(*compared(many, bare, platform), *aims.AT_ONCE.columns(platform / bare))
    added = report.entry_ms - report.direct_ms
    totals.add_row(
        "request: direct / nginx and Traefik",
        f"{report.direct_ms:.2f} ms",
        f"{report.entry_ms:.2f} ms",
        f"+{added:.2f} ms",
        *aims.HOPS.columns(added),
    )
    return totals


@bench.command("workspace")
def bench_workspace(
    rounds: Annotated[int, typer.Option(min=1, help="How often; medians are shown.")] = 7,
    at_once: Annotated[int, typer.Option(min=1, help="First openings at once.")] = 10,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """The development path beside plain Docker and one nginx."""
    from ops.bench.workspace import run
    from ops.settings import load_settings

    console = Console(stderr=True)
    with console.status("starting") as status:
        report = run(load_settings(), status.update, rounds=rounds, at_once=at_once)
    if json:
        as_json(asdict(report))
        return
    show_workspace(report, Console())


def show_workspace(report: WorkspaceReport, console: Console) -> None:
    times = Table("figure", "plain Docker", "platform", "ratio", *AIM, title="Medians")
    for name, (plain, platform) in report.times.items():
        ratio = platform / plain if plain else 0.0
        times.add_row(
            name,
            f"{plain * 1000:.1f} ms" if plain else "",
            f"{platform * 1000:.1f} ms",
            f"{ratio:.2f}" if plain else "",
            *_workspace_aim(name, ratio, platform * 1000),
        )
    beside = report.plain_at_once
    for name, taken in (("first", report.first_at_once), ("cold", report.cold_at_once)):
        what = f"{len(taken)} {name} openings / docker run at once: p50, p95"
        slow = f"{_p95(taken) / _p95(beside):.2f}"
        reached = aims.COLD_AT_ONCE.columns(_p95(taken)) if name == "cold" else aims.NO_AIM
        times.add_row(what, _middle_and_p95(beside), _middle_and_p95(taken), slow, *reached)
    console.print(times)
    rates = Table("requests", "a second", "p99", "to one nginx", *AIM, title="Preview")
    single = report.rates["one nginx"].per_second
    for name, load in report.rates.items():
        share = load.per_second / single
        reached = aims.PREVIEW.columns(share) if name == "preview" else aims.NO_AIM
        asked = (f"{load.per_second:.0f}", f"{load.p99_ms:.0f} ms", f"{share:.2f}")
        rates.add_row(name, *asked, *reached)
    console.print(rates)
    each = report.memory_each / MEGABYTE
    aim, reached_or_not = aims.IDLE_WORKSPACE.columns(each)
    console.print(
        f"Memory of an idle workspace (of {report.idle}): {each:.1f} MB ({aim}: {reached_or_not})"
    )


def _workspace_aim(name: str, ratio: float, milliseconds: float) -> tuple[str, str]:
    from ops.bench import workspace

    of_ratio = {workspace.OPEN_COLD: aims.OPEN, workspace.OPEN_STOPPED: aims.OPEN}
    of_time = {
        workspace.OPEN_RUNNING: aims.OPEN_RUNNING,
        workspace.TREE: aims.TREE,
        workspace.ECHO: aims.ECHO,
    }
    if name in of_ratio:
        return of_ratio[name].columns(ratio)
    return of_time[name].columns(milliseconds) if name in of_time else aims.NO_AIM


@bench.command("page")
def bench_page(
    rounds: Annotated[int, typer.Option(min=1, help="How often; medians are shown.")] = 7,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """The studio in a real browser; needs Chromium, and STUDIO_DEV=1 for Playwright."""
    from ops.bench.page import run
    from ops.settings import load_settings

    console = Console(stderr=True)
    with console.status("starting") as status:
        report = run(load_settings(), status.update, rounds=rounds)
    if json:
        as_json(asdict(report))
        return
    show_page(report, Console())


def show_page(report: PageReport, console: Console) -> None:
    figures = Table("figure", "median", *AIM, title="The studio in a browser")
    for name, seconds in report.opens.items():
        aim = aims.KEY_SHOWN_STOPPED if "stopped" in name else aims.KEY_SHOWN
        figures.add_row(f"click to a key shown: {name}", f"{seconds:.2f} s", *aim.columns(seconds))
    for name, size in report.loads.items():
        kilobytes = size / 1000
        reached = aims.NO_AIM if "Monaco" in name else aims.FIRST_LOAD.columns(kilobytes)
        figures.add_row(f"first load: {name}", f"{kilobytes:.0f} kB", *reached)
    middle, slow = report.typing_ms
    shown = f"{middle:.0f} ms, {slow:.0f} ms"
    figures.add_row("a key to its frame: p50, p95", shown, *aims.NO_AIM)
    for name, scroll in report.scrolls.items():
        shown = f"{scroll.per_second:.0f} frames/s (p95 {scroll.p95_ms:.0f} ms)"
        figures.add_row(f"scrolling {name}", shown, *aims.FRAMES.columns(scroll.per_second))
    for one in report.memory:
        shown = f"{one.heap / MEGABYTE:.0f} MB, {one.nodes} nodes"
        figures.add_row(f"memory after {one.lines} lines of log", shown, "bounded", "")
    console.print(figures)


def _p95(seconds: list[float]) -> float:
    """Of seconds in order."""
    return seconds[max(0, round(len(seconds) * 0.95) - 1)]


def _middle_and_p95(seconds: list[float]) -> str:
    return f"{seconds[len(seconds) // 2]:.2f} s, {_p95(seconds):.2f} s"
