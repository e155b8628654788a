"""The whole kill matrix: ``python -m tests.chaos [PROGRAM …]`` prints it as a table."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.strike import PROGRAMS, STAGES, Outcome, standing, strike
from tests.support.platform import Platform
from tests.support.user import User


async def matrix(platform: Platform, programs: list[str], console: Console) -> list[Outcome]:
    outcomes = []
    for program in programs:
        with tempfile.TemporaryDirectory() as home:
            async with User.registered(platform.settings, Path(home)) as user:
                app = await standing(user)
                for stage in STAGES:
                    outcome = await strike(platform, app, (program, stage))
                    outcomes.append(outcome)
                    mark = "ok" if not outcome.wrong else f"WRONG {outcome.wrong}"
                    console.print(f"{program} in {stage}: {outcome.status} {mark}", markup=False)
    return outcomes


def table(outcomes: list[Outcome]) -> Table:
    shown = Table(
        "killed", "as it began", "during", "ended", "seconds", "answers", "failed", "promise"
    )
    for o in outcomes:
        promise = "held" if not o.wrong else "; ".join(o.wrong)
        shown.add_row(
            o.program,
            o.stage,
            o.hit,
            o.status,
            f"{o.seconds:.1f}",
            str(o.answers),
            str(o.failed),
            promise,
        )
    return shown


def main() -> int:
    console = Console()
    programs = sys.argv[1:] or list(PROGRAMS)
    with Platform.for_tests() as platform:
        outcomes = asyncio.run(matrix(platform, programs, console))
    console.print(table(outcomes))
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
