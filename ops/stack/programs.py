"""What runs on the machine: one pure function a server, all of them as supervisor programs."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ops.settings import Node, Settings
from ops.stack import alone

CHECKOUT = Path(__file__).resolve().parents[2]

#: Debian's users of its own packages.
MYSQL_USER = "mysql"
POSTGRES_USER = "postgres"

#: Go's collector runs twice as often: for servers that hold much and have little to do.
SPARING = {"GOGC": "50"}

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")


class Program(BaseModel):
    """One supervised process. A change of any field restarts it at the next ``ops/up``."""

    model_config = ConfigDict(frozen=True)

    name: str
    command: tuple[str, ...]
    user: str = "root"
    directory: Path = Path("/")
    environment: dict[str, str] = {}
    stop_signal: str = "TERM"
    stop_seconds: int = 15
    stop_as_group: bool = True
    #: Hash of the files it reads only when it starts.
    fingerprint: str = ""
    listens: tuple[tuple[str, int], ...] = Field(default=(), description="(address, port)")


def server_user(settings: Settings) -> str:
    """The user of servers that own nothing but their data folder."""
    return f"{settings.platform}-srv"


def git_user(settings: Settings) -> str:
    return f"{settings.platform}-git"


def fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def file_fingerprint(*paths: Path) -> str:
    return fingerprint(*(path.read_text() if path.is_file() else "" for path in paths))


def mariadb(settings: Settings) -> Program:
    config = settings.etc / "mariadb.cnf"
    return Program(
        name="mariadb",
        command=("/usr/sbin/mariadbd", f"--defaults-file={config}"),
        user=MYSQL_USER,
        stop_seconds=60,
        fingerprint=file_fingerprint(config),
        listens=(("127.0.0.1", settings.ports.mysql),),
    )


def postgresql(settings: Settings) -> Program:
    config = settings.etc / "postgresql.conf"
    access = settings.etc / "pg_hba.conf"
    return Program(
        name="postgresql",
        command=(
            f"{POSTGRES_BIN}/postgres",
            "-D",
            str(settings.data / "postgres"),
            f"--config-file={config}",
            f"--hba-file={access}",
        ),
        user=POSTGRES_USER,
        stop_signal="INT",
        stop_seconds=30,
        # PostgreSQL's children end with it; a signal to them all would read as crashes.
        stop_as_group=False,
        fingerprint=file_fingerprint(config, access),
        listens=(("127.0.0.1", settings.ports.postgres),),
    )


def mongo(settings: Settings, binary: Path) -> Program:
    address = str(settings.service_address)
    return Program(
        name="mongo",
        command=(
            str(binary),
            "-listen",
            f"{address}:{settings.ports.mongo}",
            "-postgresql-url",
            f"postgres://127.0.0.1:{settings.ports.postgres}/ferretdb?pool_max_conns=4",
        ),
        user=server_user(settings),
        listens=((address, settings.ports.mongo),),
    )


def temporal(settings: Settings, binary: Path) -> Program:
    ports = settings.ports
    attributes = (
        "AppId=Int",
        "UserId=Int",
        "DeploymentId=Int",
        "NodeId=Keyword",
        "Stage=Keyword",
    )
    return Program(
        name="temporal",
        command=(
            str(binary),
            "server",
            "start-dev",
            "--ip=127.0.0.1",
            f"--port={ports.temporal}",
            f"--ui-port={ports.temporal_ui}",
            f"--metrics-port={ports.temporal_metrics}",
            f"--db-filename={settings.data / 'temporal' / 'temporal.db'}",
            "--sqlite-pragma=journal_mode=wal",
            "--sqlite-pragma=synchronous=normal",
            f"--namespace={settings.temporal_namespace}",
            # Workflows that have ended are held for an hour else, and one machine has few that run.
            "--dynamic-config-value=history.hostLevelCacheMaxSize=256",
            # Its queue of what is to be handed to workers is read twenty times a second else: after a
            # few steps in a row each further one waits for the next twentieth.
            "--dynamic-config-value=history.transferProcessorMaxPollRPS=1000",
            # The development server always opens its HTTP API too, and that asks nobody who they
            # are: a page in a browser on this host could start and end workflows. No request can
            # name this host, because a host's name holds no space.
            '--dynamic-config-value=frontend.httpAllowedHosts=["no host"]',
            "--log-level=warn",
            "--log-format=json",
            *(f"--search-attribute={attribute}" for attribute in attributes),
        ),
        user=server_user(settings),
        directory=settings.data / "temporal",
        environment={"HOME": str(settings.data / "temporal"), **SPARING},
        listens=tuple(
            ("127.0.0.1", port)
            for port in (ports.temporal, ports.temporal_ui, ports.temporal_metrics)
        ),
    )


def ssh_forwarded(settings: Settings) -> bool:
    """People's own git comes from this machine only: nginx forwards it from loopback."""
    return settings.git_ssh_host in ("127.0.0.1", "localhost")


def ssh_listen(settings: Settings) -> str:
    """Git over SSH is for workspaces, and for everybody where people are told another address."""
    if ssh_forwarded(settings):
        return str(settings.service_address)
    return "0.0.0.0"  # noqa: S104 - people's own git comes from outside


def gitea(settings: Settings, binary: Path) -> Program:
    home = settings.data / "gitea"
    config = settings.etc / "gitea.ini"
    return Program(
        name="gitea",
        command=(str(binary), "web", "--config", str(config)),
        user=git_user(settings),
        directory=home,
        environment={
            "HOME": str(home),
            "USER": git_user(settings),
            "GITEA_WORK_DIR": str(home),
            # Its git takes at most this much at once: a small push may hold a commit of gigabytes.
            # Large files are not held in memory (`core.bigFileThreshold`).
            "GIT_ALLOC_LIMIT": "256m",
            **SPARING,
        },
        fingerprint=file_fingerprint(config),
        listens=(
            ("127.0.0.1", settings.ports.gitea_http),
            (ssh_listen(settings), settings.ports.gitea_ssh),
        ),
    )


def figures_folder(settings: Settings) -> Path:
    """Figures of what has no endpoint of its own, which node exporter tells with the host's."""
    return settings.data / "figures"


def registry(settings: Settings) -> Program:
    config = settings.etc / "registry.yml"
    address = str(settings.service_address)
    return Program(
        name="registry",
        command=(
            *(sys.executable, "-m", "ops.image_registry", "--config", str(config)),
            *("--user", server_user(settings)),
            *("--every", f"{settings.registry_gc_hours * 3600:g}"),
            *("--stamp", str(figures_folder(settings) / "registry.prom")),
        ),
        environment={"PYTHONPATH": str(CHECKOUT), "PYTHONSAFEPATH": "1"},
        fingerprint=file_fingerprint(config, CHECKOUT / "ops" / "image_registry.py"),
        listens=(
            (address, settings.ports.registry),
            ("127.0.0.1", settings.ports.registry_metrics),
        ),
    )


def docker_engine(settings: Settings, binary: Path) -> Program:
    config = settings.etc / "docker.json"
    return Program(
        name="docker",
        command=(str(binary), "--config-file", str(config)),
        # Our own runc before Debian's.
        environment={**SPARING, "PATH": f"{settings.tools_bin}:{SYSTEM_PATH}"},
        # Its containers outlive it, and so must the shims in its process group.
        stop_as_group=False,
        stop_seconds=30,
        fingerprint=file_fingerprint(config),
    )


def build_path(settings: Settings) -> Path:
    """Where the build engine looks for programs first."""
    return settings.etc / "build-path"


def build_engine(settings: Settings, binary: Path) -> Program:
    config = settings.etc / "build-engine.json"
    return Program(
        name="build-engine",
        # `ip netns exec` would remount /sys, and with it lose the cgroups.
        command=(
            "/usr/bin/nsenter",
            f"--net=/run/netns/{settings.build_netns}",
            str(binary),
            "--config-file",
            str(config),
        ),
        # Its own runc first: see ops/stack/build_step.py.
        environment={**SPARING, "PATH": f"{build_path(settings)}:{SYSTEM_PATH}"},
        stop_seconds=30,
        fingerprint=file_fingerprint(config),
    )


def traefik(settings: Settings, node: Node, binary: Path) -> Program:
    config = settings.etc / f"traefik-{node.node_id}.yml"
    ports = (node.gateway_port, node.gateway_metrics_port)
    return Program(
        name=f"traefik-{node.node_id}",
        command=(str(binary), f"--configfile={config}"),
        user=server_user(settings),
        environment=SPARING,
        fingerprint=file_fingerprint(config),
        listens=tuple(("127.0.0.1", port) for port in ports if port is not None),
    )


def nginx(settings: Settings) -> Program:
    """Without a fingerprint: it takes a new configuration by HUP, without losing a request."""
    config = settings.etc / "nginx.conf"
    listens = [("0.0.0.0", settings.ports.public)]  # noqa: S104 - the public entry
    if ssh_forwarded(settings):
        listens.append(("127.0.0.1", settings.ports.gitea_ssh))
    return Program(
        name="nginx",
        command=alone.command(
            server_user(settings), alone.NGINX, "-c", str(config), "-g", "daemon off;"
        ),
        environment=alone.ENVIRONMENT,
        stop_signal="QUIT",
        stop_seconds=10,
        # QUIT is for the master, which lets its workers finish their requests.
        stop_as_group=False,
        listens=tuple(listens),
    )


def prometheus(settings: Settings) -> Program:
    config = settings.etc / "prometheus.yml"
    alerts = settings.etc / "alerts.yml"
    return Program(
        name="prometheus",
        command=(
            "/usr/bin/prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={settings.data / 'prometheus'}",
            "--storage.tsdb.retention.time=15d",
            "--storage.tsdb.retention.size=2GB",
            f"--web.listen-address=127.0.0.1:{settings.ports.prometheus}",
            "--log.level=warn",
        ),
        user=server_user(settings),
        directory=settings.data / "prometheus",
        environment=SPARING,
        fingerprint=file_fingerprint(config, alerts),
        listens=(("127.0.0.1", settings.ports.prometheus),),
    )


def node_exporter(settings: Settings) -> Program:
    return Program(
        name="node-exporter",
        command=(
            "/usr/bin/prometheus-node-exporter",
            f"--web.listen-address=127.0.0.1:{settings.ports.node_exporter}",
            "--log.level=warn",
            f"--collector.textfile.directory={figures_folder(settings)}",
            # Debian's package asks for it, and without systemd it fails at every scrape.
            "--no-collector.systemd",
            # Each container that starts has one of its own: sixty new series a time.
            "--collector.netdev.device-exclude=^(lo|veth.*)$",
            "--collector.netclass.ignored-devices=^veth.*$",
        ),
        user=server_user(settings),
        listens=(("127.0.0.1", settings.ports.node_exporter),),
    )
