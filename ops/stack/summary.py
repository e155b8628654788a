"""What ``ops/up`` says at its end."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from ops.settings import Settings, read_secret
from ops.stack.sample import SAMPLE_URL_FILE


def facts(settings: Settings) -> dict[str, str]:
    """Where things are; also what ``ops/up --json`` prints."""
    local = "http://127.0.0.1"
    sample = settings.home / SAMPLE_URL_FILE
    return {
        "studio": settings.studio_url,
        "api": f"{settings.studio_url}/api/openapi.json",
        "sample": sample.read_text() if sample.is_file() else "",
        "apps": settings.app_url(1, "name"),
        "temporal": f"{local}:{settings.ports.temporal_ui}",
        "prometheus": f"{local}:{settings.ports.prometheus}",
        "git": f"ssh://git@{settings.git_ssh_host}:{settings.ports.gitea_ssh}",
        "home": str(settings.home),
        "logs": str(settings.logs),
        "admin": settings.admin_email,
        "admin_password_file": str(settings.secrets / "admin-password"),
    }


def show(settings: Settings, console: Console, *, admin_is_new: bool, seconds: float) -> None:
    known = facts(settings)
    table = Table.grid(padding=(0, 3))
    for title, key in [
        ("Studio", "studio"),
        ("API", "api"),
        ("Sample app", "sample"),
        ("Apps", "apps"),
        ("Temporal UI", "temporal"),
        ("Prometheus", "prometheus"),
        ("Git over SSH", "git"),
        ("Logs", "logs"),
        ("Administrator", "admin"),
    ]:
        table.add_row(f"[bold]{title}[/]", known[key])
    if admin_is_new:
        table.add_row(
            "[bold]Password[/]", read_secret(settings, "admin-password").get_secret_value()
        )
    else:
        first = f"the first one is in {known['admin_password_file']}"
        again = f"ops/studio admin reset-password {known['admin']}"
        table.add_row("[bold]Password[/]", f"{first}; forgotten: {again}")
    console.print(f"\n[bold green]Fun AI Studio is up[/] after {seconds:.1f} s\n")
    console.print(table, highlight=False, soft_wrap=True)
