"""``studio bench``: figures side by side in one run, on the machine that the platform runs on."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from ops.cli_client import CliError
from ops.cli_view import as_json

# The benchmarks, the settings and the error tree are imported when one runs: they take twice as
# long to load as the rest of the command line does, and need Docker and root.
if TYPE_CHECKING:
    from ops.bench.deploy import Report
    from ops.bench.page import Report as PageReport
    from ops.bench.workspace import Report as WorkspaceReport


class _Benchmarks(TyperGroup):
    """Errors of the platform's own code come out as those of the command line."""

    def invoke(self, ctx: Any) -> Any:
        from ops.errors import StudioError

        try:
            return super().invoke(ctx)
        except StudioError as error:
            raise CliError(error.what, error.hint) from None


bench = typer.Typer(
    cls=_Benchmarks,
    no_args_is_help=True,
    help="Benchmarks; run as root where the platform runs, when it is idle.",
)

AFTER_LIVE = ("soak", "retire")
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
    totals = Table("figure", "bare script", "platform", "ratio", title="Side by side")
    for what in ("one line changed", "nothing changed"):
        bare, platform = report.cases[f"bare: {what}"], report.cases[f"platform: {what}"]
        ratio = platform.total / bare.total
        totals.add_row(what, f"{bare.total:.2f} s", f"{platform.total:.2f} s", f"{ratio:.2f}")
    back = report.cases["platform: rollback"].total
    totals.add_row("rollback", "", f"{back:.2f} s", "")
    ratio = report.ten_platform / report.ten_bare
    many = f"{report.at_once} apps: in a row / at once"
    totals.add_row(many, f"{report.ten_bare:.2f} s", f"{report.ten_platform:.2f} s", f"{ratio:.2f}")
    added = report.entry_ms - report.direct_ms
    totals.add_row(
        "request: direct / nginx and Traefik",
        f"{report.direct_ms:.2f} ms",
        f"{report.entry_ms:.2f} ms",
        f"+{added:.2f} ms",
    )
    console.print(totals)
    memory = Table("process", "PSS", title="Memory of the idle platform")
    for name, used in report.memory.items():
        memory.add_row(name, f"{used / MEGABYTE:.0f} MB")
    memory.add_row("all", f"{sum(report.memory.values()) / MEGABYTE:.0f} MB", style="bold")
    console.print(memory)


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
    times = Table("figure", "plain Docker", "platform", "ratio", title="Medians")
    for name, (plain, platform) in report.times.items():
        ratio = f"{platform / plain:.2f}" if plain else ""
        times.add_row(
            name, f"{plain * 1000:.1f} ms" if plain else "", f"{platform * 1000:.1f} ms", ratio
        )
    beside = report.plain_at_once
    for name, taken in (("first", report.first_at_once), ("cold", report.cold_at_once)):
        what = f"{len(taken)} {name} openings / docker run at once: p50, p95"
        ratio = f"{_p95(taken) / _p95(beside):.2f}"
        times.add_row(what, _middle_and_p95(beside), _middle_and_p95(taken), ratio)
    console.print(times)
    rates = Table("requests", "a second", "p99", "to one nginx", title="Preview")
    single = report.rates["one nginx"].per_second
    for name, load in report.rates.items():
        share = f"{load.per_second / single:.2f}"
        rates.add_row(name, f"{load.per_second:.0f}", f"{load.p99_ms:.0f} ms", share)
    console.print(rates)
    each = report.memory_each / MEGABYTE
    console.print(f"Memory of an idle workspace (of {report.idle}): {each:.1f} MB")


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
    figures = Table("figure", "median", "aim", title="The studio in a browser")
    for name, seconds in report.opens.items():
        aim = "3 s" if "stopped" in name else "1.5 s"
        figures.add_row(f"click to a key shown: {name}", f"{seconds:.2f} s", f"≤ {aim}")
    for name, size in report.loads.items():
        aim = "" if "Monaco" in name else "≤ 400 kB"
        figures.add_row(f"first load: {name}", f"{size / 1000:.0f} kB", aim)
    middle, slow = report.typing_ms
    figures.add_row("a key to its frame: p50, p95", f"{middle:.0f} ms, {slow:.0f} ms", "")
    for name, scroll in report.scrolls.items():
        shown = f"{scroll.per_second:.0f} frames/s (p95 {scroll.p95_ms:.0f} ms)"
        figures.add_row(f"scrolling {name}", shown, "≥ 50 frames/s")
    for one in report.memory:
        shown = f"{one.heap / MEGABYTE:.0f} MB, {one.nodes} nodes"
        figures.add_row(f"memory after {one.lines} lines of log", shown, "bounded")
    console.print(figures)


def _p95(seconds: list[float]) -> float:
    """Of seconds in order."""
    return seconds[max(0, round(len(seconds) * 0.95) - 1)]


def _middle_and_p95(seconds: list[float]) -> str:
    return f"{seconds[len(seconds) // 2]:.2f} s, {_p95(seconds):.2f} s"
