"""The public entry (host 91): names to the studio, to live apps, and what a page load becomes."""

from __future__ import annotations

from ops.settings import Settings
from ops.stack.programs import server_user
from ops.stack.render import TEMPLATES, render, write


def upstream_name(node_id: str) -> str:
    """The upstream group of a node, as the API names it in ``X-Studio-Upstream``."""
    return "node_" + node_id.replace("-", "_")


def nginx_config(settings: Settings) -> str:
    ports = settings.ports
    suffix = settings.studio_url.rpartition(settings.studio_host)[2]
    return render(
        "nginx.conf",
        user=server_user(settings),
        pid_file=settings.run / "nginx.pid",
        logs=settings.logs,
        cache=settings.data / "nginx",
        public_port=ports.public,
        entry_port=ports.entry,
        studio_host=settings.studio_host,
        apps_domain=settings.apps_domain,
        scheme=settings.scheme,
        port_suffix=suffix,
        outside_port=int(suffix[1:]) if suffix else {"http": 80, "https": 443}[settings.scheme],
        by_path=settings.routing == "path",
        upstreams=[
            {"name": upstream_name(node.node_id), "port": node.gateway_port}
            for node in settings.nodes
            if node.gateway_port is not None
        ],
        pages=settings.etc / "pages",
    )


def write_nginx(settings: Settings) -> None:
    """The configuration, and the error pages where nginx's workers can read them."""
    write(settings.etc / "nginx.conf", nginx_config(settings))
    for page in (TEMPLATES / "pages").glob("*.html"):
        write(settings.etc / "pages" / page.name, page.read_text())
