"""What an app's container is, as a value: built here by pure functions, executed elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from activities.contracts.runtime import StartInput
from ops.settings import Node, Settings

UNPRIVILEGED = "1000:1000"
FIRST_HOST = 10
STOP_SECONDS = 2

OOM_SCORE_ADJ = 800
"""On a host that is short of memory the kernel ends user code, not the records and workflows."""


class Labels:
    PLATFORM = "studio.platform"
    NODE = "studio.node"
    KIND = "studio.kind"
    APP = "studio.app"
    RELEASE = "studio.release"
    USER = "studio.user"


class ContainerSpec(BaseModel):
    """All that ``docker create`` is told of an app's container; environment values stay redacted."""

    model_config = ConfigDict(frozen=True)

    name: str
    image: str
    user: str
    environment: dict[str, SecretStr]
    labels: dict[str, str]
    network: str
    address: str
    memory_bytes: int
    nano_cpus: int
    pids: int
    oom_score_adj: int = OOM_SCORE_ADJ

    def host_config(self) -> dict[str, Any]:
        """Keyword arguments of ``APIClient.create_host_config``."""
        return {
            "init": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "mem_limit": self.memory_bytes,
            "memswap_limit": self.memory_bytes,
            "nano_cpus": self.nano_cpus,
            "pids_limit": self.pids,
            "oom_score_adj": self.oom_score_adj,
            "network_mode": self.network,
            "restart_policy": {"Name": "no"},
            "log_config": {"type": "json-file", "config": {"max-size": "10m", "max-file": "3"}},
            "sysctls": {"net.ipv6.conf.all.disable_ipv6": "1"},
            "ulimits": [{"Name": "nofile", "Soft": 8192, "Hard": 8192}],
        }


def image_name(settings: Settings, repository: str, digest: str) -> str:
    """An image as this platform's engines name it, always by digest."""
    return f"{settings.registry}/{settings.image_namespace}/{repository}@{digest}"


def safe_user(image_user: str | None) -> str:
    """Who the app runs as: the image's own user when it is a number above zero, else 1000.

    A name is not trusted: the image decides in its own /etc/passwd what number it stands for.
    """
    user, _, group = (image_user or "").partition(":")
    if user.isdecimal() and 0 < int(user) < 65534 and (not group or group.isdecimal()):
        return image_user or UNPRIVILEGED
    return UNPRIVILEGED


def free_address(subnet: IPv4Network, used: Iterable[str]) -> str:
    """The lowest address of a node's subnet that is not in use; the container's for its life.

    Raises LookupError when the subnet is full.
    """
    taken = {IPv4Address(address) for address in used if address}
    for offset in range(FIRST_HOST, subnet.num_addresses - 1):
        address = subnet.network_address + offset
        if address not in taken:
            return str(address)
    raise LookupError(f"no address is left in {subnet}")


def labels(settings: Settings, node: Node, given: StartInput) -> dict[str, str]:
    return {
        Labels.PLATFORM: settings.platform,
        Labels.NODE: node.node_id,
        Labels.KIND: "app",
        Labels.APP: str(given.app_id),
        Labels.RELEASE: str(given.release_id),
        Labels.USER: str(given.user_id),
    }


def app_spec(
    settings: Settings,
    node: Node,
    given: StartInput,
    *,
    address: str,
    image_user: str | None,
    environment: dict[str, SecretStr],
) -> ContainerSpec:
    """The container of one release of an app."""
    if node.bridge is None:
        raise ValueError(f"{node.node_id} runs no apps")
    return ContainerSpec(
        name=settings.name_prefix + given.container,
        image=image_name(settings, given.release.repository, given.release.digest),
        user=safe_user(image_user),
        environment=environment,
        labels=labels(settings, node, given),
        network=node.bridge,
        address=address,
        memory_bytes=settings.app_memory_mb * 1024 * 1024,
        nano_cpus=int(settings.app_cpus * 1_000_000_000),
        pids=settings.app_pids,
    )
