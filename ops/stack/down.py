"""``ops/down``: stops what ``ops/up`` started; with ``--purge`` nothing of the platform is left."""

from __future__ import annotations

import shutil

from ops.errors import PlatformError
from ops.settings import Settings
from ops.stack import (
    boot,
    checks,
    engines,
    files,
    firewall,
    network,
    strays,
    watches,
    workspace_files,
)
from ops.stack.config import config_file
from ops.stack.steps import Steps
from ops.stack.supervisor import Supervisor
from ops.stack.up import lock


def down(
    settings: Settings, steps: Steps, *, purge: bool = False, take_engine: bool = False
) -> None:
    """Raises PlatformError, and stops nothing, while other platforms use this one's Docker engine,
    unless it is to be taken from them."""
    with lock(settings):
        supervisor = Supervisor(settings)
        if strays.has_engine(settings) and not take_engine:
            _leave_nobody_without_engine(settings)
        engine_answers = checks.answers(settings.docker_socket)
        with steps.step("The platform's processes"):
            supervisor.stop_all(["api", "control", *(node.node_id for node in settings.nodes)])
        with steps.step("Apps and workspaces") as line:
            if not engine_answers:
                line.note("Docker does not run: no containers; images stay with it")
            elif purge:
                engines.remove_everything(settings)
                line.note("containers, networks and images removed")
            else:
                line.note(f"{engines.stop_containers(settings)} containers stopped")
        with steps.step("Servers"):
            supervisor.shutdown()
            # Agents of workspaces outlive the workers that started them.
            strays.stop(settings)
            workspace_files.unmount_all(settings)
        with steps.step("Network and firewall"):
            firewall.remove(settings)
            network.remove(settings)
        if purge:
            watches.give_back(settings.platform)
            with steps.step("Data"):
                boot.remove(settings)
                remove_data(settings)
                files.remove_users(settings)
                files.unlink_command(settings)
                shutil.rmtree(settings.home)


def _leave_nobody_without_engine(settings: Settings) -> None:
    others = strays.others(settings)
    if others:
        homes = ", ".join(sorted(others))
        raise PlatformError(
            f"the platform in {homes} runs its apps and workspaces on this one's Docker engine",
            hint="stop it first (STUDIO_HOME=… ops/down), or say --take-engine: what it runs is"
            " then out of its reach until its next ops/up, which starts an engine of its own",
        )


def remove_data(settings: Settings) -> None:
    """All but the settings, without which a purge that was cut short could not be repeated."""
    for path in settings.home.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path != config_file(settings):
            path.unlink()
