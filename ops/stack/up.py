"""``ops/up``: everything in the order of dependencies; each step finds what is already there."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ops.errors import PlatformError
from ops.settings import Settings
from ops.stack import (
    accounts,
    boot,
    checks,
    code_server,
    databases,
    engines,
    files,
    firewall,
    network,
    npm_tools,
    own_programs,
    probes,
    strays,
    studio_page,
    watches,
    workspace_files,
)
from ops.stack import programs as p
from ops.stack import workspace_programs as workspaces
from ops.stack.config import config_text, keep_settings
from ops.stack.npm_tools import NodeServer
from ops.stack.platform import bring_up
from ops.stack.probes import Probe, wait_ready
from ops.stack.programs import Program
from ops.stack.secretfiles import ensure_secrets
from ops.stack.steps import Steps
from ops.stack.supervisor import Supervisor
from ops.stack.tools import TOOLS, Installed, ensure_tool


class Up:
    """One run of ``ops/up`` over one platform."""

    def __init__(self, settings: Settings, steps: Steps) -> None:
        self.settings = settings
        self.steps = steps
        self.supervisor = Supervisor(settings)
        self.programs: dict[str, Program] = {}

    def run(self, *, only_servers: bool = False) -> bool:
        """True when the first administrator was made by this run."""
        settings, step = self.settings, self.steps.step
        with lock(settings):
            keep_settings(settings)
            tools, packages, page = self.install()
            with step("Folders, users, secrets") as line:
                files.ensure_users(settings)
                files.ensure_folders(settings)
                line.note(f"{ensure_secrets(settings)} secrets made")
                registry = npm_tools.npm_registry(settings)
                files.write_configs(settings, tools["gitea"].assets, registry)
                studio_page.publish(settings, page)
                databases.create_mysql_data(settings)
                databases.create_postgres_data(settings)
                files.link_command(settings)
            with step("Network and firewall"):
                ensure_network(settings)
                watches.raise_limits(settings.platform)
            with step("Start with the machine") as line:
                line.note(boot.ensure(settings))
            with step("Supervisor") as line:
                line.note(self._supervise(tools, packages))
            self._servers()
            if only_servers:
                return False
            return bring_up(settings, self.steps, self.supervisor)

    def install(self) -> tuple[dict[str, Installed], NodeServer, Path]:
        """Builds and fetches what the servers and the page are made of, and starts nothing."""
        settings, step = self.settings, self.steps.step
        tools = self._tools()
        with step("Tool verdaccio") as line:
            packages = npm_tools.ensure_verdaccio(settings, line)
        with step("VS Code") as line:
            code_server.ensure_code_server(settings, line)
        with step("Studio page") as line:
            page = studio_page.ensure_page(settings, line)
        return tools, packages, page

    def _tools(self) -> dict[str, Installed]:
        installed = {}
        for tool in TOOLS:
            with self.steps.step(f"Tool {tool.name}") as line:
                installed[tool.name] = ensure_tool(self.settings, tool, line)
        return installed

    def _supervise(self, tools: dict[str, Installed], packages: NodeServer) -> str:
        settings = self.settings
        if not self.supervisor.is_up():
            strays.stop(settings)
        code = p.fingerprint(own_programs.code_fingerprint(), config_text(settings))
        wanted = [
            p.mariadb(settings),
            p.postgresql(settings),
            p.temporal(settings, tools["temporal"].binary),
            p.gitea(settings, tools["gitea"].binary),
            p.registry(settings),
            p.build_engine(settings, tools["dockerd"].binary),
            p.mongo(settings, tools["ferretdb"].binary),
            p.prometheus(settings),
            p.node_exporter(settings),
            p.nginx(settings),
            workspaces.verdaccio(settings, packages),
            *(
                workspaces.workspace_gateway(settings, node)
                for node in settings.nodes
                if node.role == "workspace"
            ),
            *(
                p.traefik(settings, node, tools["traefik"].binary)
                for node in settings.nodes
                if node.role == "runtime"
            ),
            *own_programs.own_programs(settings, code),
        ]
        if engines.owns_engine(settings, self.supervisor):
            wanted.append(p.docker_engine(settings, tools["dockerd"].binary))
        self.programs = {program.name: program for program in wanted}
        running = {n for n, state in self.supervisor.states().items() if state in ("RUNNING",)}
        checks.check_ports(
            (program for program in wanted if program.name not in running),
            self.supervisor.processes(),
        )
        self.supervisor.ensure(wanted, sys.executable)
        for program in wanted:
            if program.name.startswith("nginx"):
                self.supervisor.reload(program.name)
        return f"{len(wanted)} programs"

    def _servers(self) -> None:
        """All that does not depend on another is started at once, then waited for in turn."""
        settings, ports = self.settings, self.settings.ports
        local = "http://127.0.0.1"
        first: list[tuple[str, str, Probe]] = [
            ("MariaDB", "mariadb", probes.mariadb(settings)),
            ("PostgreSQL", "postgresql", probes.postgresql(settings)),
            ("Temporal", "temporal", probes.http(f"{local}:{ports.temporal_ui}/")),
            ("Gitea", "gitea", probes.http(f"{settings.gitea_url}/api/healthz")),
            ("Image registry", "registry", probes.http(f"http://{settings.registry}/v2/", 401)),
            ("Build engine", "build-engine", probes.engine(settings.build_socket)),
        ]
        if "docker" in self.programs:
            first.append(("Docker engine", "docker", probes.engine(settings.docker_socket)))
        self._start([name for _, name, _ in first])
        for title, name, probe in first:
            with self.steps.step(title):
                wait_ready(self.supervisor, name, probe)
        with self.steps.step("Databases and accounts"):
            databases.ensure_mysql_database(settings)
            databases.ensure_postgres_database(settings)
            accounts.ensure_gitea_accounts(settings)
            workspace_files.write_known_hosts(settings)
        with self.steps.step("Networks of user code") as line:
            line.note(f"engine {engines.check_engine(settings)}")
            engines.ensure_networks(settings)
            firewall.apply(settings)
        address = str(settings.service_address)
        second: list[tuple[str, str, Probe]] = [
            ("Mongo server", "mongo", probes.tcp(address, ports.mongo)),
            ("Prometheus", "prometheus", probes.http(f"{local}:{ports.prometheus}/-/ready")),
            ("Node exporter", "node-exporter", probes.http(f"{local}:{ports.node_exporter}/")),
            ("nginx", "nginx", probes.tcp("127.0.0.1", ports.public)),
            ("Package cache", "verdaccio", probes.http(f"{settings.packages_url}-/ping")),
        ]
        for node in settings.nodes:
            if node.gateway_port is not None:
                name = {
                    "runtime": f"traefik-{node.node_id}",
                    "workspace": workspaces.workspace_gateway_name(node),
                }[node.role]
                probe = probes.tcp("127.0.0.1", node.gateway_port)
                second.append((f"Gateway {node.node_id}", name, probe))
        self._start([name for _, name, _ in second])
        for title, name, probe in second:
            with self.steps.step(title):
                wait_ready(self.supervisor, name, probe)

    def _start(self, names: Sequence[str]) -> None:
        for name in names:
            self.supervisor.start(name)


def ensure_network(settings: Settings) -> None:
    """All that user code must not be without; safe at any time, also before Docker starts."""
    network.ensure_service_interface(settings)
    network.ensure_build_namespace(settings)
    network.ensure_build_cgroup(settings)
    firewall.apply(settings)


@contextmanager
def lock(settings: Settings) -> Iterator[None]:
    """One ``ops/up`` or ``ops/down`` at a time."""
    # Not in the platform's own folder: a purge takes that away while it holds the lock.
    path = Path("/run/lock") / f"fun-ai-studio-{settings.platform}.lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PlatformError(
                "another ops/up or ops/down is running", hint="wait until it has ended"
            ) from None
        yield
