"""The platform comes back with its machine: two units of systemd, where that is what starts it.

One settles what people's containers may reach before Docker brings them back, the other runs
``ops/up``. Whoever does not want that says ``systemctl disable``, and ``ops/up`` leaves it so.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ops.settings import Settings
from ops.stack.programs import CHECKOUT
from ops.stack.render import render, write
from ops.stack.shell import attempt, run

UNITS = Path("/etc/systemd/system")
BOOTED = Path("/run/systemd/system")
"""Is there while systemd runs the machine: sd_booted(3)."""


def unit_names(settings: Settings) -> tuple[str, str]:
    """That of the firewall, and that of the platform."""
    name = "fun-ai-studio"
    if settings.platform != Settings.model_fields["platform"].default:
        name += f"-{settings.platform}"
    return f"{name}-firewall.service", f"{name}.service"


def unit_texts(settings: Settings) -> dict[str, str]:
    """Name to content of each unit."""
    firewall, platform = unit_names(settings)
    environment = {"STUDIO_HOME": str(settings.home)}
    if "STUDIO_DEV" in os.environ:
        environment["STUDIO_DEV"] = os.environ["STUDIO_DEV"]
    return {
        firewall: render(
            "boot-firewall.service",
            platform=settings.platform,
            environment={**environment, "PYTHONPATH": str(CHECKOUT), "PYTHONSAFEPATH": "1"},
            apply=[sys.executable, "-m", "ops.stack", "firewall"],
        ),
        platform: render(
            "boot.service",
            platform=settings.platform,
            firewall_unit=firewall,
            environment=environment,
            up=[CHECKOUT / "ops" / "up"],
            # It is how the machine stops it too: no other platform needs the engine then.
            down=[CHECKOUT / "ops" / "down", "--take-engine"],
        ),
    }


def ensure(settings: Settings) -> str:
    """Puts the units in place; what there is to say about it."""
    if not BOOTED.is_dir():
        return "no systemd here: run ops/up after a restart of the machine"
    changed = [write(UNITS / name, text) for name, text in unit_texts(settings).items()]
    if any(changed):
        run(["systemctl", "daemon-reload"])
    switched_on = settings.etc / "starts-with-the-machine"
    if not switched_on.exists():
        run(["systemctl", "enable", "--quiet", *unit_names(settings)])
        write(switched_on, "")
    return unit_names(settings)[1]


def remove(settings: Settings) -> None:
    """Takes the units away."""
    names = [name for name in unit_names(settings) if (UNITS / name).exists()]
    if not names:
        return
    if BOOTED.is_dir():
        attempt(["systemctl", "disable", "--quiet", *names])
    for name in names:
        (UNITS / name).unlink()
    if BOOTED.is_dir():
        attempt(["systemctl", "daemon-reload"])
