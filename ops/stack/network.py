"""Interfaces, the build engine's network namespace, and its cgroup. All idempotent."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path

from ops.settings import Settings
from ops.stack.firewall import build_interface
from ops.stack.shell import attempt, run

CGROUP = Path("/sys/fs/cgroup")


def build_cgroup(settings: Settings) -> str:
    """Parent of every build's control group, as dockerd names it."""
    return f"/{settings.platform}-builds"


def default_mtu() -> int:
    """MTU of the way out; a container's must not be larger."""
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "default"]) or "[]")
    if not routes:
        return 1500
    link = json.loads(run(["ip", "-json", "link", "show", "dev", routes[0]["dev"]]))
    return int(link[0]["mtu"])


def ensure_service_interface(settings: Settings) -> None:
    """An empty bridge (some kernels have no dummy device) that holds the service address."""
    name = settings.service_interface
    if not _has_link(name):
        run(["ip", "link", "add", name, "type", "bridge"])
    run(["ip", "address", "replace", f"{settings.service_address}/32", "dev", name])
    run(["ip", "link", "set", name, "up"])
    set_sysctl("net.ipv4.ip_forward", "1")


def ensure_build_namespace(settings: Settings) -> None:
    """Namespace, veth pair, addresses, default route; a half-made one is completed."""
    namespace, outside = settings.build_netns, build_interface(settings)
    gateway = settings.build_gateway
    engine = IPv4Address(int(gateway) + 1)
    if not Path(f"/run/netns/{namespace}").exists():
        run(["ip", "netns", "add", namespace])
    inside = ["nsenter", f"--net=/run/netns/{namespace}"]
    if not _has_link(outside) or not _has_link("eth0", inside):
        attempt(["ip", "link", "delete", outside])
        run(
            [
                "ip",
                "link",
                "add",
                outside,
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                namespace,
            ]
        )
    mtu = str(default_mtu())
    run(["ip", "address", "replace", f"{gateway}/24", "dev", outside])
    run(["ip", "link", "set", outside, "mtu", mtu, "up"])
    set_sysctl(f"net.ipv6.conf.{outside}.disable_ipv6", "1")
    run([*inside, "ip", "link", "set", "lo", "up"])
    run([*inside, "ip", "address", "replace", f"{engine}/24", "dev", "eth0"])
    run([*inside, "ip", "link", "set", "eth0", "mtu", mtu, "up"])
    run([*inside, "ip", "route", "replace", "default", "via", str(gateway)])
    for name in ("all", "default"):
        run([*inside, "sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1"])


def ensure_build_cgroup(settings: Settings) -> None:
    """Memory and process limits over all builds together, in cgroup v1 or v2."""
    name = build_cgroup(settings).lstrip("/")
    memory = str(settings.build_memory_mb * 1024 * 1024)
    pids = str(settings.build_pids)
    if (CGROUP / "cgroup.controllers").exists():
        (CGROUP / "cgroup.subtree_control").write_text("+memory +pids")
        group = CGROUP / name
        group.mkdir(exist_ok=True)
        (group / "memory.max").write_text(memory)
        (group / "pids.max").write_text(pids)
        swap = group / "memory.swap.max"
        if swap.exists():
            swap.write_text("0")
        return
    for controller, file, value in (
        ("memory", "memory.limit_in_bytes", memory),
        ("pids", "pids.max", pids),
    ):
        group = CGROUP / controller / name
        group.mkdir(exist_ok=True)
        (group / file).write_text(value)


def remove(settings: Settings) -> None:
    """Takes away what this module made. The build engine must have ended."""
    attempt(["ip", "link", "delete", build_interface(settings)])
    attempt(["ip", "netns", "delete", settings.build_netns])
    attempt(["ip", "link", "delete", settings.service_interface])
    name = build_cgroup(settings).lstrip("/")
    for root in (CGROUP, *(CGROUP.glob("*") if CGROUP.is_dir() else ())):
        group = root / name
        if group.is_dir():
            folders = [path for path in group.rglob("*") if path.is_dir()]
            for folder in [*sorted(folders, key=lambda path: -len(path.parts)), group]:
                try:
                    folder.rmdir()
                except OSError:
                    break


def set_sysctl(name: str, value: str) -> None:
    """Writes below /proc/sys; no part of the name may itself hold a dot."""
    Path("/proc/sys", *name.split(".")).write_text(value)


def _has_link(name: str, prefix: list[str] | None = None) -> bool:
    return attempt([*(prefix or []), "ip", "link", "show", "dev", name]).returncode == 0
