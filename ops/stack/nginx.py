"""The public entry (host 91): names to the studio, to live apps, and what a page load becomes."""

from __future__ import annotations

from ops.settings import Settings
from ops.stack.programs import server_user, ssh_forwarded, ssh_listen
from ops.stack.render import render, write
from ops.stack.static_pages import write_static_pages
from ops.stack.studio_page import page_root


def upstream_name(node_id: str) -> str:
    """The upstream group of a node, as the API names it in ``X-Studio-Upstream``."""
    return "node_" + node_id.replace("-", "_")


def page_policy(settings: Settings) -> str:
    """What the studio's own page may load: itself, and in frames the previews of workspaces.

    Styles may stand inline, since the components and the editor make them as they go; scripts
    never, and nothing may be evaluated.
    """
    suffix = settings.studio_url.rpartition(settings.studio_host)[2]
    previews = (
        "'self'"
        if settings.routing == "path"
        else f"{settings.scheme}://*.{settings.workspaces_domain}{suffix}"
    )
    sockets = settings.studio_url.replace("http", "ws", 1)
    rules = {
        "default-src": "'none'",
        # User code has paths of its own at this origin: of all of it, only the page's files are run.
        "script-src": f"{settings.studio_url}/assets/ {settings.studio_url}/early.js",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": f"'self' {sockets}",
        "worker-src": f"{settings.studio_url}/assets/ blob:",
        "frame-src": previews,
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "manifest-src": "'self'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


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
        guests_port=ports.guests,
        studio_host=settings.studio_host,
        apps_domain=settings.apps_domain,
        workspaces_domain=settings.workspaces_domain,
        studio_url=settings.studio_url,
        preview_cookie=settings.preview_cookie,
        scheme=settings.scheme,
        connections_of_address=settings.connections_of_address,
        trusted_proxies=settings.trusted_proxies.split(),
        port_suffix=suffix,
        outside_port=int(suffix[1:]) if suffix else {"http": 80, "https": 443}[settings.scheme],
        by_path=settings.routing == "path",
        upstreams=[
            {"name": upstream_name(node.node_id), "port": node.gateway_port}
            for node in settings.nodes
            if node.gateway_port is not None
        ],
        pages=settings.etc / "pages",
        page_root=page_root(settings),
        page_policy=page_policy(settings),
        ssh_forwarded=ssh_forwarded(settings),
        ssh_port=ports.gitea_ssh,
        ssh_target=f"{ssh_listen(settings)}:{ports.gitea_ssh}",
    )


def write_nginx(settings: Settings) -> None:
    """The configuration, and nginx's own pages."""
    write(settings.etc / "nginx.conf", nginx_config(settings))
    write_static_pages(settings.etc / "pages")
