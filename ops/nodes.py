"""The ports and hosts of an installation, as its settings make them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from pydantic import BaseModel, ConfigDict

FIRST_SLOT = 10


class Ports(BaseModel):
    """The ports of DESIGN.md's table, on one machine, with the platform's offset added."""

    model_config = ConfigDict(frozen=True)

    public: int = 8000
    entry: int = 8080
    gateway: int = 8081
    gitea_http: int = 3000
    gitea_ssh: int = 2222
    mysql: int = 3306
    postgres: int = 5432
    mongo: int = 27017
    registry: int = 5000
    registry_metrics: int = 5001
    verdaccio: int = 4873
    workspace_node: int = 7001
    workspace_gateway: int = 8087
    guests: int = 8086
    deploy_control: int = 7002
    runtime_agent: int = 7005
    temporal: int = 7233
    temporal_ui: int = 8233
    temporal_metrics: int = 9103
    prometheus: int = 9090
    node_exporter: int = 9100
    entry_metrics: int = 9101
    control_metrics: int = 9102
    node_metrics: int = 9110
    gateway_metrics: int = 9150

    def shifted(self, offset: int) -> Ports:
        return Ports(**{name: port + offset for name, port in self.model_dump().items()})


class Node(BaseModel):
    """A workspace, runner or runtime host as this installation knows it."""

    model_config = ConfigDict(frozen=True)

    node_id: str
    role: Literal["workspace", "runner", "runtime"]
    index: int
    metrics_port: int
    agent_port: int | None = None
    gateway_port: int | None = None
    gateway_metrics_port: int | None = None
    bridge: str | None = None
    subnet: IPv4Network | None = None

    def slot_address(self, slot: int) -> IPv4Address:
        """The fixed address of a workspace; the first ones of the subnet are the host's."""
        assert self.subnet is not None
        return self.subnet.network_address + FIRST_SLOT + slot


def nodes_of(
    platform: str, subnet_base: str, ports: Ports, *, workspaces: int, runners: int, runtimes: int
) -> list[Node]:
    """Every host for user code: so many of each kind, each with its own ports and subnet."""
    nodes: list[Node] = []
    port = ports.node_metrics
    for index in range(1, workspaces + 1):
        nodes.append(
            Node(
                node_id=_numbered("workspace-87", index),
                role="workspace",
                index=index,
                metrics_port=port + index,
                agent_port=ports.workspace_node + (index - 1) * 10,
                gateway_port=ports.workspace_gateway + (index - 1) * 10,
                bridge=f"{platform}-ws{index}",
                subnet=IPv4Network(f"{subnet_base}.{64 + (index - 1) * 16}.0/20"),
            )
        )
    for index in range(1, runners + 1):
        nodes.append(
            Node(
                node_id=_numbered("runner-101", index),
                role="runner",
                index=index,
                metrics_port=port + 10 + index,
            )
        )
    for index in range(1, runtimes + 1):
        nodes.append(
            Node(
                node_id=_numbered("runtime-102", index),
                role="runtime",
                index=index,
                metrics_port=port + 20 + index,
                agent_port=ports.runtime_agent + (index - 1) * 10,
                gateway_port=ports.gateway + (index - 1) * 10,
                gateway_metrics_port=ports.gateway_metrics + index,
                bridge=f"{platform}-rt{index}",
                subnet=IPv4Network(f"{subnet_base}.{(index - 1) * 16}.0/20"),
            )
        )
    return nodes


def _numbered(name: str, index: int) -> str:
    return name if index == 1 else f"{name}-{index}"
