"""What the benchmarks' figures are to reach. A figure without an aim is shown for comparison."""

from __future__ import annotations

from dataclasses import dataclass

REACHED = "reached"
MISSED = "missed"


@dataclass(frozen=True)
class Aim:
    """A limit in the unit that its figure is shown in; ``at_least``: it is to be no less."""

    limit: float
    unit: str = ""
    at_least: bool = False

    def columns(self, figure: float) -> tuple[str, str]:
        """The aim, and whether the figure itself (not what is shown of it) has reached it."""
        sign = "≥" if self.at_least else "≤"
        reached = figure >= self.limit if self.at_least else figure <= self.limit
        return f"{sign} {self.limit:g} {self.unit}".rstrip(), REACHED if reached else MISSED


NO_AIM = ("", "")

CHANGED = Aim(1.5, "×")
UNCHANGED = Aim(1.2, "s")
ROLLBACK = Aim(1.2, "s")
AT_ONCE = Aim(1.3, "×")
HOPS = Aim(2, "ms")
IDLE_MEMORY = Aim(1536, "MB")
"""MB as the tables count them: 1.5 GiB."""

OPEN = Aim(1.5, "×")
OPEN_RUNNING = Aim(60, "ms")
COLD_AT_ONCE = Aim(3, "s")
"""At the 95th percentile."""
TREE = Aim(300, "ms")
ECHO = Aim(15, "ms")
PREVIEW = Aim(0.6, "×", at_least=True)
IDLE_WORKSPACE = Aim(20, "MB")

KEY_SHOWN = Aim(1.5, "s")
KEY_SHOWN_STOPPED = Aim(3, "s")
FIRST_LOAD = Aim(400, "kB")
FRAMES = Aim(50, "frames/s", at_least=True)
