"""What `studio bench` prints of figures: each beside its aim, and whether it is reached."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from ops import cli_bench
from ops.bench import deploy, page, workspace
from ops.bench.aims import Aim
from ops.bench.plain import Load

MEGABYTE = 1024 * 1024


def rows(printed: StringIO) -> dict[str, list[str]]:
    """The cells of each row of all tables, by the first one."""
    lines = [line for line in printed.getvalue().splitlines() if line[:1] in ("│", "┃")]
    cells = [[cell.strip() for cell in line[1:-1].replace("┃", "│").split("│")] for line in lines]
    return {first: rest for first, *rest in cells}


@pytest.fixture
def printed() -> StringIO:
    return StringIO()


@pytest.fixture
def console(printed: StringIO) -> Console:
    return Console(file=printed, width=200)


def a_deploy(factor: float) -> deploy.Report:
    """Every figure at its aim, times ``factor``."""
    return deploy.Report(
        cases={
            "bare: one line changed": deploy.Case(1, {"clone": 1}),
            "platform: one line changed": deploy.Case(1.5 * factor, {"soak": 2.5}),
            "bare: nothing changed": deploy.Case(0.5, {}),
            "platform: nothing changed": deploy.Case(1.2 * factor, {}),
            "platform: rollback": deploy.Case(1.2 * factor, {}),
        },
        ten_bare=10,
        ten_platform=13 * factor,
        direct_ms=1,
        entry_ms=1 + 2 * factor,
        memory={"control": MEGABYTE * 36, "temporal": int(MEGABYTE * (1536 * factor - 36))},
    )


@pytest.mark.parametrize(("factor", "verdict"), [(1, "reached"), (0.5, "reached"), (1.1, "missed")])
def test_deployments(printed: StringIO, console: Console, factor: float, verdict: str) -> None:
    cli_bench.show(a_deploy(factor), console)
    found = rows(printed)
    assert found["one line changed"][-3:] == [f"{1.5 * factor:.2f}", "≤ 1.5 ×", verdict]
    assert found["nothing changed"][-2:] == ["≤ 1.2 s", verdict]
    assert found["rollback"][1:] == [f"{1.2 * factor:.2f} s", "", "≤ 1.2 s", verdict]
    assert found["10 apps: in a row / at once"][-2:] == ["≤ 1.3 ×", verdict]
    assert found["request: direct / nginx and Traefik"][-2:] == ["≤ 2 ms", verdict]
    assert found["all"][-2:] == ["≤ 1536 MB", verdict]
    assert found["control"] == ["36 MB", "", ""]
    assert "soak (after it is live)" in printed.getvalue()


@pytest.mark.parametrize(("cold", "verdict"), [(0.45, "reached"), (0.46, "missed")])
def test_workspaces(printed: StringIO, console: Console, cold: float, verdict: str) -> None:
    report = workspace.Report(
        times={
            "open: no container / docker run": (0.3, cold),
            "open: running": (0.0, 0.013),
        },
        plain_at_once=[1.0, 2.0],
        first_at_once=[2.0, 3.0],
        cold_at_once=[1.5, 2.5],
        rates={name: Load(100, 2) for name in ("server", "one nginx", "preview")},
        idle=10,
        memory_each=6 * MEGABYTE,
    )
    cli_bench.show_workspace(report, console)
    found = rows(printed)
    assert found["open: no container / docker run"][-2:] == ["≤ 1.5 ×", verdict]
    assert found["open: running"][-3:] == ["", "≤ 60 ms", "reached"]
    assert found["2 cold openings / docker run at once: p50, p95"][2:] == [
        "1.25",
        "≤ 3 s",
        "reached",
    ]
    assert found["2 first openings / docker run at once: p50, p95"][3:] == ["", ""]
    assert found["preview"] == ["100", "2 ms", "1.00", "≥ 0.6 ×", "reached"]
    assert found["server"][3:] == ["", ""]
    assert "6.0 MB (≤ 20 MB: reached)" in printed.getvalue()


@pytest.mark.parametrize(("factor", "verdict"), [(1, "reached"), (1.01, "missed")])
def test_the_page(printed: StringIO, console: Console, factor: float, verdict: str) -> None:
    report = page.Report(
        opens={"container runs": 1.5 * factor, "container is stopped": 3 * factor},
        loads={
            "studio, before the editor": int(400_000 * factor),
            "the editor (Monaco)": 900_000,
        },
        typing_ms=(20, 50),
        scrolls={"a log of 5000 lines": page.Scroll(50 / factor, 20)},
        memory=[page.Memory(5000, 20 * MEGABYTE, 900)],
    )
    cli_bench.show_page(report, console)
    found = rows(printed)
    assert found["click to a key shown: container runs"][-2:] == ["≤ 1.5 s", verdict]
    assert found["click to a key shown: container is stopped"][-2:] == ["≤ 3 s", verdict]
    assert found["first load: studio, before the editor"][-2:] == ["≤ 400 kB", verdict]
    assert found["first load: the editor (Monaco)"] == ["900 kB", "", ""]
    assert found["scrolling a log of 5000 lines"][-2:] == ["≥ 50 frames/s", verdict]


def test_what_is_rounded_for_people_is_not_rounded_to_reach_an_aim() -> None:
    assert Aim(1.2, "s").columns(1.2004) == ("≤ 1.2 s", "missed")
