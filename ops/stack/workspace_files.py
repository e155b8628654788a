"""Folders and configuration of the workspace hosts: the package cache, the gateway, and what every
container finds in ``/etc/studio``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ops.names import CODE_PORT, DEV_PORT
from ops.settings import Node, Settings
from ops.stack import programs
from ops.stack.render import render, write
from ops.stack.shell import run
from ops.stack.workspace_programs import workspace_gateway_name

DEFAULT_BRANCH = "main"


def workspace_nodes(settings: Settings) -> list[Node]:
    return [node for node in settings.nodes if node.role == "workspace"]


def gateway_cache(settings: Settings, node: Node) -> Path:
    return settings.data / workspace_gateway_name(node)


def write_configs(settings: Settings, registry: str) -> None:
    """``registry`` is where the package cache gets packages from."""
    etc, container = settings.etc, settings.container_etc
    write(
        etc / "verdaccio.yml",
        render("verdaccio.yml", data=settings.data / "verdaccio", upstream=registry),
    )
    write(container / "npmrc", render("workspace-npmrc", registry=settings.packages_url))
    write(container / "gitconfig", render("workspace-gitconfig", branch=DEFAULT_BRANCH))
    for node in workspace_nodes(settings):
        write(etc / f"{workspace_gateway_name(node)}.conf", gateway_config(settings, node))


def gateway_config(settings: Settings, node: Node) -> str:
    slots: list[dict[str, Any]] = [
        {
            "number": slot,
            "address": f"{node.slot_address(slot)}:{DEV_PORT}",
            "code_address": f"{node.slot_address(slot)}:{CODE_PORT}",
        }
        for slot in range(settings.workspace_slots)
    ]
    return render(
        "nginx-workspace.conf",
        user=programs.server_user(settings),
        pid_file=settings.run / f"{workspace_gateway_name(node)}.pid",
        cache=gateway_cache(settings, node),
        port=node.gateway_port,
        slots=slots,
        guests_from=settings.service_address,
        pages=settings.etc / "pages",
    )


def write_known_hosts(settings: Settings) -> None:
    """By which a container knows that it talks to our Git server; needs Gitea's host key."""
    public = (settings.data / "gitea" / "app" / "ssh" / "gitea.rsa.pub").read_text()
    write(settings.container_etc / "known_hosts", known_hosts(settings, public))


def known_hosts(settings: Settings, public_key: str) -> str:
    kind, key = public_key.split()[:2]
    return f"[{settings.service_address}]:{settings.ports.gitea_ssh} {kind} {key}\n"


def unmount_all(settings: Settings) -> None:
    """Disks of workspaces, whose containers have ended (their images stay what they are), and what
    an engine has left that was killed."""
    for path in mounts_below(settings.home, Path("/proc/self/mounts").read_text()):
        run(["umount", "--lazy", path])


def mounts_below(folder: Path, mounts: str) -> list[Path]:
    """Mount points in a folder, the innermost first; the kernel writes odd characters in octal."""
    found = [Path(_unescaped(line.split()[1])) for line in mounts.splitlines()]
    return sorted((path for path in found if folder in path.parents), reverse=True)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
