"""What runs on the machine: one pure function a server, all of them as supervisor programs."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ops.settings import Node, Settings

CHECKOUT = Path(__file__).resolve().parents[2]

#: Debian's users of its own packages.
MYSQL_USER = "mysql"
POSTGRES_USER = "postgres"

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
            "--log-level=warn",
            "--log-format=json",
            *(f"--search-attribute={attribute}" for attribute in attributes),
        ),
        user=server_user(settings),
        directory=settings.data / "temporal",
        environment={"HOME": str(settings.data / "temporal")},
        listens=tuple(
            ("127.0.0.1", port)
            for port in (ports.temporal, ports.temporal_ui, ports.temporal_metrics)
        ),
    )


def ssh_listen(settings: Settings) -> str:
    """Git over SSH is for this machine only, unless people are told another address."""
    local = settings.git_ssh_host in ("127.0.0.1", "localhost")
    return "127.0.0.1" if local else "0.0.0.0"  # noqa: S104 - people's own git comes from outside


def gitea(settings: Settings, binary: Path) -> Program:
    home = settings.data / "gitea"
    config = settings.etc / "gitea.ini"
    return Program(
        name="gitea",
        command=(str(binary), "web", "--config", str(config)),
        user=git_user(settings),
        directory=home,
        environment={"HOME": str(home), "USER": git_user(settings), "GITEA_WORK_DIR": str(home)},
        fingerprint=file_fingerprint(config),
        listens=(
            ("127.0.0.1", settings.ports.gitea_http),
            (ssh_listen(settings), settings.ports.gitea_ssh),
        ),
    )


def registry(settings: Settings) -> Program:
    config = settings.etc / "registry.yml"
    address = str(settings.service_address)
    return Program(
        name="registry",
        command=("/usr/bin/docker-registry", "serve", str(config)),
        user=server_user(settings),
        fingerprint=file_fingerprint(config),
        listens=(
            (address, settings.ports.registry),
            ("127.0.0.1", settings.ports.registry_metrics),
        ),
    )


def docker_engine(settings: Settings) -> Program:
    config = settings.etc / "docker.json"
    return Program(
        name="docker",
        command=("/usr/sbin/dockerd", "--config-file", str(config)),
        # Its containers outlive it, and so must the shims in its process group.
        stop_as_group=False,
        stop_seconds=30,
        fingerprint=file_fingerprint(config),
    )


def build_engine(settings: Settings) -> Program:
    config = settings.etc / "build-engine.json"
    return Program(
        name="build-engine",
        # `ip netns exec` would remount /sys, and with it lose the cgroups.
        command=(
            "/usr/bin/nsenter",
            f"--net=/run/netns/{settings.build_netns}",
            "/usr/sbin/dockerd",
            "--config-file",
            str(config),
        ),
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
        fingerprint=file_fingerprint(config),
        listens=tuple(("127.0.0.1", port) for port in ports if port is not None),
    )


def nginx(settings: Settings) -> Program:
    """Without a fingerprint: it takes a new configuration by HUP, without losing a request."""
    config = settings.etc / "nginx.conf"
    return Program(
        name="nginx",
        command=("/usr/sbin/nginx", "-c", str(config), "-g", "daemon off;"),
        stop_signal="QUIT",
        stop_seconds=10,
        # QUIT is for the master, which lets its workers finish their requests.
        stop_as_group=False,
        listens=(("0.0.0.0", settings.ports.public),),  # noqa: S104 - the public entry
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
            # Debian's package asks for it, and without systemd it fails at every scrape.
            "--no-collector.systemd",
        ),
        user=server_user(settings),
        listens=(("127.0.0.1", settings.ports.node_exporter),),
    )


def python_program(settings: Settings, name: str, *args: str, code: str) -> Program:
    """A process of the platform's own; new code (``code``, a hash) restarts it."""
    return Program(
        name=name,
        command=(sys.executable, "-m", *args),
        environment={
            "STUDIO_HOME": str(settings.home),
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONUNBUFFERED": "1",
            "PYTHONSAFEPATH": "1",
        },
        stop_seconds=30,
        # A worker ends its own children, each in its own way.
        stop_as_group=False,
        fingerprint=code,
    )


def own_programs(settings: Settings, code: str) -> list[Program]:
    programs = [
        python_program(settings, "control", "workers.control", code=code),
        python_program(settings, "api", "api.entry", code=code),
    ]
    for node in settings.nodes:
        arguments = ("workers.host", "--role", node.role, "--node", node.node_id)
        programs.append(python_program(settings, node.node_id, *arguments, code=code))
    return programs


def code_fingerprint() -> str:
    """Hash of the platform's own code, so that ``ops/up`` after an update restarts its processes."""
    files = sorted(
        path
        for folder in ("activities", "api", "ops", "workers", "workflows")
        for path in (CHECKOUT / folder).rglob("*.py")
        if "stack" not in path.parts
    )
    return file_fingerprint(*files, CHECKOUT / "uv.lock")
