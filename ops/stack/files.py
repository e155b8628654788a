"""Folders, their owners, and every configuration file of the platform's servers."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

from ops.settings import DEFAULT_HOME, Settings, read_secret
from ops.stack import build_step, git_hooks, programs, traefik, workspace_files
from ops.stack.network import build_cgroup, default_mtu
from ops.stack.nginx import write_nginx
from ops.stack.render import render, write
from ops.stack.secretfiles import put_once
from ops.stack.shell import attempt, run

#: The engines speak plain HTTP only to registries in this range, where ``service_address`` is.
INSECURE_REGISTRIES = "172.16.0.0/12"

#: Gitea's own secrets, by the file that its configuration names.
GITEA_SECRETS = {
    "secret-key": "SECRET_KEY",
    "internal-token": "INTERNAL_TOKEN",
    "jwt-secret": "JWT_SECRET",
}

#: Apps' pools (4 each) beside the platform's own connections.
POSTGRES_CONNECTIONS = 400


def ensure_users(settings: Settings) -> None:
    for name in (programs.server_user(settings), programs.git_user(settings)):
        try:
            pwd.getpwnam(name)
        except KeyError:
            run(
                [
                    "useradd",
                    "--system",
                    "--user-group",
                    "--no-create-home",
                    "--shell",
                    "/usr/sbin/nologin",
                    name,
                ]
            )


def remove_users(settings: Settings) -> None:
    for name in (programs.server_user(settings), programs.git_user(settings)):
        attempt(["userdel", name])


COMMAND = Path("/usr/local/bin/studio")


def link_command(settings: Settings) -> None:
    """Puts ``studio`` on PATH, for the machine's main platform and where the name is free."""
    script = programs.CHECKOUT / "ops" / "studio"
    ours = COMMAND.is_symlink() and COMMAND.readlink().parts[-2:] == ("ops", "studio")
    if settings.home == DEFAULT_HOME and (ours or not os.path.lexists(COMMAND)):
        COMMAND.unlink(missing_ok=True)
        COMMAND.symlink_to(script)


def unlink_command(settings: Settings) -> None:
    script = programs.CHECKOUT / "ops" / "studio"
    main = settings.home == DEFAULT_HOME
    if main and COMMAND.is_symlink() and COMMAND.readlink() == script:
        COMMAND.unlink()


def owner(name: str) -> tuple[int, int]:
    entry = pwd.getpwnam(name)
    return entry.pw_uid, entry.pw_gid


def ensure_folders(settings: Settings) -> None:
    """Everybody may pass through; what is inside belongs to its server, or to root."""
    server = owner(programs.server_user(settings))
    for path in (settings.home, settings.data, settings.data / "nodes"):
        _folder(path, 0o711)
    for path in (settings.etc, settings.run):
        _folder(path, 0o755)
    _folder(settings.logs, 0o750)
    _folder(settings.cache, 0o755)
    for name in ("temporal", "registry", "prometheus", "verdaccio"):
        _folder(settings.data / name, 0o700, server)
    _folder(settings.data / "gitea", 0o700, owner(programs.git_user(settings)))
    _folder(settings.data / "gitea" / "secrets", 0o700, owner(programs.git_user(settings)))
    _folder(settings.data / "postgres", 0o700, owner(programs.POSTGRES_USER))
    _folder(settings.run / "postgres", 0o700, owner(programs.POSTGRES_USER))
    _folder(settings.data / "mysql", 0o700, owner(programs.MYSQL_USER))
    _folder(settings.run / "mysql", 0o700, owner(programs.MYSQL_USER))
    _folder(settings.data / "build-engine", 0o700)
    _folder(settings.data / "nginx", 0o711)
    _folder(programs.figures_folder(settings), 0o755)
    for node in settings.nodes:
        _folder(settings.node_home(node.node_id), 0o711)
        if node.role == "runtime":
            _folder(settings.node_home(node.node_id) / "routes", 0o755)
        if node.role == "workspace":
            _folder(workspace_files.gateway_cache(settings, node), 0o711)


def _folder(path: Path, mode: int, who: tuple[int, int] = (0, 0)) -> None:
    path.mkdir(parents=True, exist_ok=True)
    shutil.chown(path, *who)
    path.chmod(mode)


def mysql_socket(settings: Settings) -> Path:
    return settings.run / "mysql" / "mysql.sock"


def write_configs(settings: Settings, gitea_assets: Path | None, npm_registry: str) -> None:
    """All configuration files, before anything starts."""
    ports, etc, run_folder = settings.ports, settings.etc, settings.run
    root = (0, 0)
    server = (0, owner(programs.server_user(settings))[1])
    write(
        etc / "mariadb.cnf",
        render(
            "mariadb.cnf",
            data=settings.data / "mysql",
            socket=mysql_socket(settings),
            pid_file=run_folder / "mysql" / "mysql.pid",
            port=ports.mysql,
        ),
    )
    write(
        etc / "postgresql.conf",
        render(
            "postgresql.conf",
            port=ports.postgres,
            socket_folder=run_folder / "postgres",
            max_connections=POSTGRES_CONNECTIONS,
        ),
    )
    write(etc / "pg_hba.conf", render("pg_hba.conf"))
    _gitea(settings, gitea_assets)
    write(
        etc / "registry.yml",
        render(
            "registry.yml",
            data=settings.data / "registry",
            address=settings.registry,
            metrics_address=f"127.0.0.1:{ports.registry_metrics}",
            secret=read_secret(settings, "registry-http-secret").get_secret_value(),
            realm=f"{settings.control_url}/registry/token",
            certificate=etc / "registry-cert.pem",
        ),
        mode=0o640,
        owner=server,
    )
    certificate = read_secret(settings, "registry-cert.pem").get_secret_value()
    write(etc / "registry-cert.pem", certificate + "\n", owner=root)
    traefik.write_configs(settings, owner(programs.server_user(settings)))
    write_nginx(settings)
    workspace_files.write_configs(settings, npm_registry)
    write(
        etc / "prometheus.yml",
        render("prometheus.yml", alerts=etc / "alerts.yml", jobs=scrape_jobs(settings)),
    )
    write(etc / "alerts.yml", alerts(settings))
    write(etc / "docker.json", _json(runtime_engine_config(settings, default_mtu())))
    write(etc / "build-engine.json", _json(build_engine_config(settings, default_mtu())))
    write(programs.build_path(settings) / "runc", build_runc(settings), mode=0o755)
    write(programs.build_path(settings) / "git", render("build-git"), mode=0o755)


def alerts(settings: Settings) -> str:
    return render(
        "alerts.yml",
        disk_floor=settings.disk_floor_mb * 2**20,
        # With time for the collection itself.
        uncollected=round((settings.registry_gc_hours + 2) * 3600),
    )


def _gitea(settings: Settings, assets: Path | None) -> None:
    """Gitea reads its own secrets from files that only its user can read."""
    user = programs.git_user(settings)
    home = settings.data / "gitea"
    for name, kind in GITEA_SECRETS.items():
        make = partial(run, [settings.tools_bin / "gitea", "generate", "secret", kind])
        put_once(home / "secrets" / name, make, owner=owner(user))
    git_hooks.write_hooks(settings)
    text = render(
        "gitea.ini",
        user=user,
        data=home,
        secrets=home / "secrets",
        static=assets,
        http_port=settings.ports.gitea_http,
        root_url=settings.gitea_url + "/",
        ssh_host=settings.git_ssh_host,
        ssh_listen=programs.ssh_listen(settings),
        ssh_port=settings.ports.gitea_ssh,
        largest_push=settings.source_mb * 1024 * 1024,
        hooks=git_hooks.hooks_folder(settings),
    )
    write(settings.etc / "gitea.ini", text, mode=0o640, owner=(0, owner(user)[1]))


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


IMAGES: dict[str, Any] = {
    # With the driver that a data root has, else overlay2: the store within containerd wants a newer one.
    "features": {"containerd-snapshotter": False},
    # User code has no IPv6 (ops/stack/network.py), and not every kernel has the rules for it.
    "ip6tables": False,
}
"""Of both engines."""


def runtime_engine_config(settings: Settings, mtu: int) -> dict[str, Any]:
    """The engine that runs apps, where this machine had none."""
    return {
        "hosts": [f"unix://{settings.docker_socket}"],
        "data-root": "/var/lib/docker",
        "pidfile": str(settings.run / "docker.pid"),
        "insecure-registries": [INSECURE_REGISTRIES],
        "live-restore": True,
        "userland-proxy": False,
        "mtu": mtu,
        "log-level": "warn",
        "log-driver": "json-file",
        "log-opts": {"max-size": "10m", "max-file": "2"},
        **IMAGES,
    }


def build_engine_config(settings: Settings, mtu: int) -> dict[str, Any]:
    """The engine that runs people's build steps, in a namespace and under limits of its own."""
    return {
        "hosts": [f"unix://{settings.build_socket}"],
        "data-root": str(settings.data / "build-engine"),
        "exec-root": str(settings.run / "build-engine"),
        "pidfile": str(settings.run / "build-engine.pid"),
        "cgroup-parent": build_cgroup(settings),
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        # BuildKit does not know ranges.
        "insecure-registries": [INSECURE_REGISTRIES, settings.registry],
        "icc": False,
        "userland-proxy": False,
        "mtu": mtu,
        # A warning for each step that fails, and whenever buildx hangs up.
        "log-level": "error",
        **IMAGES,
        "builder": {
            "Entitlements": {"network-host": False, "security-insecure": False, "device": False},
            # What is kept is activities/build_cache.py's to say.
            "GC": {"Enabled": False},
            "History": {"MaxEntries": 10},
        },
    }


def build_runc(settings: Settings) -> str:
    """The program that starts each step of a build, under limits of its own."""
    return render(
        "build-runc",
        path=f"{settings.tools_bin}:{programs.SYSTEM_PATH}",
        pids=min(settings.build_step_pids, settings.build_pids),
        memory=min(settings.build_step_memory_mb, settings.build_memory_mb) * 1024 * 1024,
        python=sys.executable,
        program=build_step.__file__,
    )


def scrape_jobs(settings: Settings) -> list[dict[str, Any]]:
    ports = settings.ports

    def job(
        name: str,
        *targets: tuple[int, dict[str, str]],
        path: str = "/metrics",
        quantiles_of: str | None = None,
        every: str | None = None,
    ) -> dict[str, Any]:
        return {
            "name": name,
            "path": path,
            "every": every,
            "quantiles_of": quantiles_of,
            "targets": [
                {"address": f"127.0.0.1:{port}", "labels": labels} for port, labels in targets
            ],
        }

    return [
        job("prometheus", (ports.prometheus, {})),
        job("host", (ports.node_exporter, {})),
        job("entry", (ports.entry_metrics, {})),
        job("control", (ports.control_metrics, {})),
        job(
            "node",
            *((n.metrics_port, {"node": n.node_id, "role": n.role}) for n in settings.nodes),
        ),
        job(
            "traefik",
            *(
                (n.gateway_metrics_port, {"node": n.node_id})
                for n in settings.nodes
                if n.gateway_metrics_port is not None
            ),
        ),
        job(
            "temporal",
            (ports.temporal_metrics, {}),
            quantiles_of="(service|persistence|task_dispatch)_latency_bucket",
            # Telling twenty thousand figures and reading them takes both of them half a second.
            every="60s",
        ),
        job("registry", (ports.registry_metrics, {})),
        job("gitea", (ports.gitea_http, {})),
    ]
