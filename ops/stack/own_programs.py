"""The platform's own processes, as supervisor programs."""

from __future__ import annotations

import sys

from ops.settings import Settings
from ops.stack.programs import CHECKOUT, Program, file_fingerprint


def python_program(settings: Settings, name: str, *args: str, code: str) -> Program:
    """A process of the platform's own; new code (``code``, a hash) restarts it."""
    return Program(
        name=name,
        command=(sys.executable, "-m", *args),
        environment={
            "STUDIO_HOME": str(settings.home),
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONUNBUFFERED": "1",
            "PYTHONSAFEPATH": "1",
            # glibc's heap per thread is for more cores than a thread pool here has.
            "MALLOC_ARENA_MAX": "2",
            # Said, these two do not grow with what was once asked for: what a busy hour took goes
            # back to the machine.
            "MALLOC_MMAP_THRESHOLD_": "65536",
            "MALLOC_TRIM_THRESHOLD_": "65536",
        },
        stop_seconds=30,
        # A worker ends its own children, each in its own way.
        stop_as_group=False,
        fingerprint=code,
    )


def own_programs(settings: Settings, code: str) -> list[Program]:
    programs = [
        python_program(settings, "control", "workers.control", code=code),
        python_program(settings, "api", "api.entry", code=code),
    ]
    for node in settings.nodes:
        arguments = ("workers.host", "--role", node.role, "--node", node.node_id)
        programs.append(python_program(settings, node.node_id, *arguments, code=code))
    return programs


def code_fingerprint() -> str:
    """Hash of the platform's own code, so that ``ops/up`` after an update restarts its processes."""
    files = sorted(
        path
        for folder in ("activities", "api", "ops", "workers", "workflows")
        for path in (CHECKOUT / folder).rglob("*.py")
        if "stack" not in path.parts
    )
    return file_fingerprint(*files, CHECKOUT / "uv.lock")
