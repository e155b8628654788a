"""The programs of the workspace hosts: the package cache, and the gateway to what people develop."""

from __future__ import annotations

from ops.settings import Node, Settings
from ops.stack import alone
from ops.stack.npm_tools import NodeServer
from ops.stack.programs import Program, file_fingerprint, server_user


def verdaccio(settings: Settings, server: NodeServer) -> Program:
    address, port = str(settings.service_address), settings.ports.verdaccio
    config = settings.etc / "verdaccio.yml"
    return Program(
        name="verdaccio",
        command=(
            str(server.node),
            # It waits for disk and network; what V8 would keep for speed is more than it holds.
            "--optimize-for-size",
            "--max-semi-space-size=1",
            str(server.script),
            "--config",
            str(config),
            "--listen",
            f"http://{address}:{port}",
        ),
        user=server_user(settings),
        directory=settings.data / "verdaccio",
        environment={
            "HOME": str(settings.data / "verdaccio"),
            "NODE_ENV": "production",
            "NODE_EXTRA_CA_CERTS": str(settings.ca_bundle),
        },
        fingerprint=file_fingerprint(config),
        listens=((address, port),),
    )


def workspace_gateway_name(node: Node) -> str:
    return f"nginx-{node.node_id}"


def workspace_gateway(settings: Settings, node: Node) -> Program:
    """Without a fingerprint: it takes a new configuration by HUP, without losing a request."""
    assert node.gateway_port is not None
    name = workspace_gateway_name(node)
    return Program(
        name=name,
        command=alone.command(
            server_user(settings),
            *(alone.NGINX, "-c", str(settings.etc / f"{name}.conf"), "-g", "daemon off;"),
        ),
        environment=alone.ENVIRONMENT,
        stop_signal="QUIT",
        stop_seconds=10,
        # QUIT is for the master, which lets its workers finish their requests.
        stop_as_group=False,
        listens=(("127.0.0.1", node.gateway_port),),
    )
