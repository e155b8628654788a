"""What the build engine calls as ``runc``: the real one, with limits for each step of a build.

BuildKit in dockerd gives a step no limit of its own, so that one which forks without end would take
the processes of every other build beside it. The step is written down as an OCI bundle
(``config.json``) before runc is called, and that is where the limits go. Run with ``python -I -S``,
since it is part of each step's time: the standard library only.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

PIDS = "STUDIO_STEP_PIDS"
MEMORY = "STUDIO_STEP_MEMORY"

OOM_SCORE_ADJ = 800
"""A step has dockerd's own otherwise, which the kernel ends last on a host that is short of memory."""


def limited(spec: dict[str, Any], *, pids: int, memory: int) -> dict[str, Any]:
    """The OCI runtime specification ``spec`` with a limit of processes and of bytes of memory.

    A limit in it that is lower already stays. The kernel ends the step before the platform.
    """
    linux = spec.get("linux") or {}
    resources = linux.get("resources") or {}
    wanted = {"pids": pids, "memory": memory}
    kept = {name: _lower(resources.get(name), limit) for name, limit in wanted.items()}
    return {
        **spec,
        "process": _ended_first(spec.get("process") or {}),
        "linux": {**linux, "resources": {**resources, **kept}},
    }


def _ended_first(process: dict[str, Any]) -> dict[str, Any]:
    had = process.get("oomScoreAdj")
    return {**process, "oomScoreAdj": OOM_SCORE_ADJ if had is None else max(had, OOM_SCORE_ADJ)}


def _lower(given: dict[str, Any] | None, limit: int) -> dict[str, Any]:
    had = (given or {}).get("limit") or 0
    return {**(given or {}), "limit": min(had, limit) if had > 0 else limit}


def bundle_of(argv: list[str]) -> Path | None:
    """The bundle of what runc is to start (``run``, ``create``); its other commands name none."""
    for option in ("--bundle", "-b"):
        if option in argv:
            return Path(argv[argv.index(option) + 1])
    return None


def main(argv: list[str]) -> None:
    """Becomes runc, which is looked for beyond the folder of the one that called this."""
    limits = {"pids": int(os.environ.pop(PIDS)), "memory": int(os.environ.pop(MEMORY))}
    bundle = bundle_of(argv)
    if bundle is not None:
        config = bundle / "config.json"
        config.write_text(json.dumps(limited(json.loads(config.read_text()), **limits)))
    os.execvp("runc", ["runc", *argv])  # noqa: S606 - PATH is set by who calls this


if __name__ == "__main__":
    main(sys.argv[1:])
