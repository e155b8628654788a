"""What open workspaces take up on their host."""

from __future__ import annotations

from typing import Any

import docker
import psutil

from ops.bench.deploy import memory
from ops.settings import Settings
from ops.stack.engines import PLATFORM_LABEL


def footprint(settings: Settings) -> int:
    """PSS in bytes of the platform's programs, and of what each open workspace has of its own:
    its container with the engine's shim, and the agent of its key."""
    return sum(memory(settings).values()) + sum(_pss(pid) for pid in _beside(settings))


def _beside(settings: Settings) -> set[int]:
    engine: Any = docker.APIClient(base_url=f"unix://{settings.docker_socket}", version="auto")
    pids: set[int] = set()
    try:
        wanted = [f"{PLATFORM_LABEL}={settings.platform}", "studio.kind=workspace"]
        for container in engine.containers(filters={"label": wanted}):
            main = psutil.Process(engine.inspect_container(container["Id"])["State"]["Pid"])
            shim = main.parent()
            family = [main, *main.children(recursive=True), *([shim] if shim else [])]
            pids |= {process.pid for process in family}
    finally:
        engine.close()
    home = str(settings.data / "nodes")
    for process in psutil.process_iter(["name", "cmdline"]):
        words = process.info["cmdline"] or []
        if process.info["name"] == "ssh-agent" and any(word.startswith(home) for word in words):
            pids.add(process.pid)
    return pids


def _pss(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_full_info().pss)
    except psutil.Error:
        return 0
