"""Traefik's files: its configuration, and beside its routes a certificate that spares it work."""

from __future__ import annotations

import json

from ops.settings import Node, Settings
from ops.stack.render import render, write
from ops.stack.secretfiles import new_certificate, put_once

CERTIFICATE = "certificate.yml"


def write_configs(settings: Settings, server: tuple[int, int]) -> None:
    """``server`` is the user and group that it runs as."""
    for node in settings.nodes:
        if node.role == "runtime":
            _write_config(settings, node)
            _ensure_certificate(settings, node, server)


def _write_config(settings: Settings, node: Node) -> None:
    text = render(
        "traefik.yml",
        address=f"127.0.0.1:{node.gateway_port}",
        metrics_address=f"127.0.0.1:{node.gateway_metrics_port}",
        routes=settings.node_home(node.node_id) / "routes",
    )
    write(settings.etc / f"traefik-{node.node_id}.yml", text)


def _ensure_certificate(settings: Settings, node: Node, server: tuple[int, int]) -> None:
    """Nothing here speaks TLS, but with no certificate given Traefik makes one whenever a route
    changes, with an RSA key: 30 to 190 ms of a core until the route is there."""
    path = settings.node_home(node.node_id) / "routes" / CERTIFICATE
    put_once(path, _certificate, owner=server)


def _certificate() -> str:
    key, certificate = new_certificate("studio gateway")
    default = {"defaultCertificate": {"certFile": certificate, "keyFile": key}}
    return json.dumps({"tls": {"stores": {"default": default}}})
