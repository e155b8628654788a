"""The Docker engines: the one that runs user code (perhaps not ours) and the networks on it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import IPv4Network

import docker
from docker.errors import ImageNotFound, NotFound
from docker.types import IPAMConfig, IPAMPool

from ops.errors import PlatformError
from ops.settings import Node, Settings
from ops.stack.checks import answers
from ops.stack.network import default_mtu, set_sysctl
from ops.stack.supervisor import ALIVE, Supervisor

PLATFORM_LABEL = "studio.platform"
AT_ONCE = 8


def owns_engine(settings: Settings, supervisor: Supervisor) -> bool:
    """Whether the runtime engine is (to be) ours: our supervisor runs it, or nobody does."""
    if supervisor.states().get("docker") in ALIVE:
        return True
    return not answers(settings.docker_socket)


def client(settings: Settings) -> docker.DockerClient:
    return docker.DockerClient(base_url=f"unix://{settings.docker_socket}", timeout=60)


def build_client(settings: Settings) -> docker.DockerClient:
    return docker.DockerClient(base_url=f"unix://{settings.build_socket}", timeout=600)


def check_engine(settings: Settings) -> str:
    """An engine of the machine's must be able to pull from our registry. Returns its version."""
    engine = client(settings)
    try:
        info = engine.info()
    finally:
        engine.close()
    ranges = info["RegistryConfig"]["InsecureRegistryCIDRs"]
    if not any(settings.service_address in IPv4Network(cidr) for cidr in ranges if ":" not in cidr):
        raise PlatformError(
            f"the Docker engine here does not let {settings.registry} be used over plain HTTP",
            hint='add "insecure-registries": ["172.16.0.0/12"] to /etc/docker/daemon.json'
            " and restart Docker",
        )
    return str(info["ServerVersion"])


def ensure_networks(settings: Settings) -> None:
    engine = client(settings)
    try:
        for node in settings.nodes:
            if node.bridge:
                _ensure_network(settings, engine, node)
    finally:
        engine.close()


def _ensure_network(settings: Settings, engine: docker.DockerClient, node: Node) -> None:
    """One bridge a node that runs user code: no traffic between containers, no IPv6."""
    assert node.bridge is not None
    assert node.subnet is not None
    try:
        network = engine.networks.get(node.bridge)
    except NotFound:
        gateway = str(node.subnet.network_address + 1)
        network = engine.networks.create(
            node.bridge,
            driver="bridge",
            ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(node.subnet), gateway=gateway)]),
            options={
                "com.docker.network.bridge.name": node.bridge,
                "com.docker.network.bridge.enable_icc": "false",
                "com.docker.network.driver.mtu": str(default_mtu()),
            },
            labels={PLATFORM_LABEL: settings.platform, "studio.node": node.node_id},
        )
    subnets = [pool["Subnet"] for pool in network.attrs["IPAM"]["Config"]]
    if subnets != [str(node.subnet)]:
        raise PlatformError(
            f"the Docker network {node.bridge} has {subnets}, not {node.subnet}",
            hint=f"remove it (docker network rm {node.bridge}), or set STUDIO_SUBNET_BASE back",
        )
    set_sysctl(f"net.ipv6.conf.{node.bridge}.disable_ipv6", "1")


def stop_containers(settings: Settings) -> int:
    """Stops what the platform's nodes run; the files and images stay."""
    return _each_container(settings, remove=False)


def remove_everything(settings: Settings) -> None:
    """Containers, networks and images of this platform on an engine that may have others."""
    _each_container(settings, remove=True)
    engine = client(settings)
    try:
        for network in engine.networks.list(filters=_mine(settings)):
            network.remove()
        for image in engine.images.list():
            names = [*image.tags, *image.attrs.get("RepoDigests", [])]
            for name in names:
                if name.startswith(f"{settings.registry}/"):
                    # Removing an image's last tag also takes its digest away.
                    with suppress(ImageNotFound):
                        engine.images.remove(name, force=True)
    finally:
        engine.close()


def _mine(settings: Settings) -> dict[str, str | list[str] | bool]:
    return {"label": f"{PLATFORM_LABEL}={settings.platform}"}


def _each_container(settings: Settings, *, remove: bool) -> int:
    """The engine takes some tenths of a second for each, so they are ended side by side."""
    engine = client(settings)
    try:
        found = engine.containers.list(all=remove, filters=_mine(settings), ignore_removed=True)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            if remove:
                list(pool.map(lambda container: container.remove(force=True, v=True), found))
            else:
                list(pool.map(lambda container: container.stop(timeout=2), found))
        return len(found)
    finally:
        engine.close()
