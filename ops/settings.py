"""Settings: read once at the entry of a process, then passed in.

Values come from the environment (``STUDIO_…``), then from ``$STUDIO_HOME/config.env``, then from
the defaults here. Secrets are a file each below ``$STUDIO_HOME/secrets``: see :func:`read_secret`.
"""

from __future__ import annotations

import os
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ops.errors import PlatformError
from ops.nodes import Node, Ports, nodes_of

__all__ = ["DEFAULT_HOME", "Node", "Settings", "load_settings", "read_secret"]

DEFAULT_HOME = Path("/var/lib/fun-ai-studio")


class Settings(BaseSettings):
    """All that is not secret. ``STUDIO_`` + the upper-case name sets each."""

    model_config = SettingsConfigDict(env_prefix="STUDIO_", extra="ignore", frozen=True)

    home: Path = DEFAULT_HOME
    cache: Path = Path("/var/cache/fun-ai-studio")
    platform: str = Field(default="studio", pattern=r"^[a-z][a-z0-9]{1,9}$")
    name_prefix: str = Field(default="", pattern=r"^([a-z][a-z0-9-]{0,15}-)?$")
    port_offset: int = 0
    subnet_base: str = Field(default="172.28", pattern=r"^\d{1,3}\.\d{1,3}$")

    routing: Literal["names", "path"] = "names"
    scheme: Literal["http", "https"] = "http"
    #: Networks of the TLS terminators before this machine: what they say of who asks is believed.
    trusted_proxies: str = ""
    #: Requests that one address may have open at once, whose they may be: a school has one, too.
    connections_of_address: int = Field(default=1000, ge=16)
    studio_host: str = "studio.localhost"
    apps_domain: str = "apps.localhost"
    workspaces_domain: str = "ws.localhost"
    git_ssh_host: str = "127.0.0.1"

    workspaces: int = Field(default=1, ge=1, le=4)
    runners: int = Field(default=1, ge=1, le=4)
    runtimes: int = Field(default=1, ge=1, le=4)

    admin_email: str = "admin@studio.example"
    git_owner: str = "studio"
    image_namespace: str = "apps"
    docker_socket: Path = Path("/var/run/docker.sock")
    ca_bundle: Path = Path("/etc/ssl/certs/ca-certificates.crt")
    reachable_networks: str = ""
    #: Open at once, of one app, workspace or build step: the host's table of all has room for more.
    connections_of_one: int = Field(default=2000, ge=16)
    otlp_endpoint: str | None = None
    trace_file: Path | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    #: One more than two cores have: of three builds, one waits for a disk or a registry.
    build_slots: int = Field(default=3, ge=1)
    build_memory_mb: int = 4096
    build_pids: int = 2048
    #: Of each step, which is less than all builds together may have: so none takes it from others.
    build_step_memory_mb: int = Field(default=3072, ge=64)
    build_step_pids: int = Field(default=512, ge=16)
    build_cache_mb: int = 10240
    #: Of a host of workspaces: what workspaces and builds install is kept for the next one.
    package_cache_mb: int = Field(default=5120, ge=1)
    build_seconds: float = 900
    image_mb: int = 4096
    registry_gc_hours: float = Field(default=24, gt=0)
    log_bytes: int = 20 * 1024 * 1024
    #: Of so many of an app's deployments, the newest, the logs are kept.
    kept_logs: int = Field(default=100, ge=1)
    source_mb: int = 500
    repository_mb: int = Field(default=1024, ge=1)
    import_mb: int = Field(default=500, ge=1)
    import_seconds: float = Field(default=60, gt=0)
    import_ca: Path | None = None
    health_seconds: float = 60
    soak_seconds: float = 2.5
    keep_releases: int = 3
    app_memory_mb: int = 512
    app_cpus: float = 1.0
    app_pids: int = 256
    app_disk_mb: int = 1024
    database_mb: int = Field(default=1024, ge=1)
    max_apps: int = 10
    max_live: int = 3
    workspace_slots: int = Field(default=1000, ge=1, le=1000)
    workspace_memory_mb: int = 2048
    workspace_cpus: float = 1.0
    workspace_pids: int = 512
    workspace_disk_mb: int = 2048
    run_idle_seconds: float = 900
    workspace_idle_seconds: float = 1800
    max_runs: int = 30
    disk_floor_mb: int = 2048
    sweep_seconds: float = 10
    session_days: int = 30
    sign_in_attempts: int = 10
    sign_in_window_seconds: int = 300

    @field_validator("home", "cache")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        if not value.is_absolute():
            raise ValueError("must be an absolute path")
        return value

    @field_validator("reachable_networks", "trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        return " ".join(str(IPv4Network(network)) for network in value.split())

    @model_validator(mode="after")
    def _user_code_has_its_own_site(self) -> Settings:
        """User code under the studio's own registrable domain could set cookies for the studio."""
        if self.routing == "path":
            return self
        studio = self.studio_host.lower()
        for name in (self.apps_domain, self.workspaces_domain):
            domain = name.lower()
            if domain == studio or domain.endswith("." + studio) or studio.endswith("." + domain):
                raise ValueError(f"{name} may not contain or lie under the studio's own {studio}")
            shared = studio.split(".")[-2:]
            if len(shared) == 2 and shared[-1] != "localhost" and domain.split(".")[-2:] == shared:
                raise ValueError(f"{name} shares the studio's registrable domain; use another one")
        return self

    @cached_property
    def ports(self) -> Ports:
        return Ports().shifted(self.port_offset)

    @cached_property
    def service_address(self) -> IPv4Address:
        """Address of an interface of its own: what the build engine and app containers are let to reach."""
        return IPv4Address(f"{self.subnet_base}.255.1")

    @property
    def service_interface(self) -> str:
        return f"{self.platform}-svc"

    @property
    def build_netns(self) -> str:
        return f"{self.platform}-build"

    @property
    def build_gateway(self) -> IPv4Address:
        """The host's end of the build engine's veth pair; the engine's own is the next address."""
        return IPv4Address(f"{self.subnet_base}.254.1")

    @property
    def build_socket(self) -> Path:
        return self.run / "build-engine.sock"

    @property
    def registry(self) -> str:
        return f"{self.service_address}:{self.ports.registry}"

    @property
    def temporal_address(self) -> str:
        return f"127.0.0.1:{self.ports.temporal}"

    @property
    def temporal_ui_url(self) -> str:
        """Where operators open Temporal's own pages: on this host alone, or through a tunnel."""
        return f"http://127.0.0.1:{self.ports.temporal_ui}"

    def workflow_url(self, workflow_id: str) -> str:
        return (
            f"{self.temporal_ui_url}/namespaces/{self.temporal_namespace}/workflows/{workflow_id}"
        )

    @property
    def temporal_namespace(self) -> str:
        return "default"

    @property
    def control_url(self) -> str:
        """7002, as every host reaches it."""
        return f"http://{self.service_address}:{self.ports.deploy_control}"

    @property
    def packages_url(self) -> str:
        """The cache of npm packages, as workspaces and builds reach it."""
        return f"http://{self.service_address}:{self.ports.verdaccio}/"

    @property
    def workspace_image(self) -> str:
        """What every workspace's container is made from, as its engine names it."""
        return f"{self.registry}/base/studio-workspace:1"

    @property
    def gitea_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.gitea_http}"

    @property
    def prometheus_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.prometheus}"

    @property
    def entry_url(self) -> str:
        """The public entry as servers connect to it (with the public name as ``Host``)."""
        return f"http://127.0.0.1:{self.ports.public}"

    @property
    def tools_bin(self) -> Path:
        """The servers and tools of ``ops/tools`` by name (``docker-buildx``, ``temporal``)."""
        return self.cache / "tools" / "bin"

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def etc(self) -> Path:
        return self.home / "etc"

    @property
    def container_etc(self) -> Path:
        """What every workspace's container sees as ``/etc/studio``."""
        return self.etc / "workspace"

    @property
    def secrets(self) -> Path:
        return self.home / "secrets"

    @property
    def data(self) -> Path:
        return self.home / "data"

    def _authority(self, host: str) -> str:
        default = {"http": 80, "https": 443}[self.scheme]
        return host if self.ports.public == default else f"{host}:{self.ports.public}"

    @property
    def studio_url(self) -> str:
        return f"{self.scheme}://{self._authority(self.studio_host)}"

    def app_host(self, slug: str) -> str:
        return f"{slug}.{self.apps_domain}"

    def app_url(self, app_id: int, slug: str) -> str:
        if self.routing == "path":
            return f"{self.studio_url}/apps/{app_id}/"
        return f"{self.scheme}://{self._authority(self.app_host(slug))}/"

    def preview_host(self, user_id: int) -> str:
        return f"u{user_id}.{self.workspaces_domain}"

    def preview_url(self, user_id: int) -> str:
        if self.routing == "path":
            return f"{self.studio_url}/ws/{user_id}/"
        return f"{self.scheme}://{self._authority(self.preview_host(user_id))}/"

    def preview_base_path(self, user_id: int) -> str:
        return f"/ws/{user_id}/" if self.routing == "path" else "/"

    def code_host(self, user_id: int) -> str:
        """Where VS Code of a workspace is: an origin of its own, which routing by path has not."""
        return f"code-u{user_id}.{self.workspaces_domain}"

    def code_url(self, user_id: int) -> str:
        return f"{self.scheme}://{self._authority(self.code_host(user_id))}/"

    @property
    def preview_cookie(self) -> str:
        """What a browser shows a preview's origin, to be let in."""
        own_name = self.routing == "names" and self.scheme == "https"
        return "__Host-studio_preview" if own_name else "studio_preview"

    def base_path(self, app_id: int) -> str:
        return f"/apps/{app_id}/" if self.routing == "path" else "/"

    @cached_property
    def nodes(self) -> list[Node]:
        return nodes_of(
            self.platform,
            self.subnet_base,
            self.ports,
            workspaces=self.workspaces,
            runners=self.runners,
            runtimes=self.runtimes,
        )

    def node(self, node_id: str) -> Node:
        for node in self.nodes:
            if node.node_id == node_id:
                return node
        raise PlatformError(f"no node is named {node_id}", hint="see `studio nodes`")

    def node_home(self, node_id: str) -> Path:
        """The folder that a node's worker owns (routes, checkouts, pid files)."""
        return self.data / "nodes" / node_id


def load_settings() -> Settings:
    """Settings of the platform that ``STUDIO_HOME`` names."""
    home = Path(os.environ.get("STUDIO_HOME", str(DEFAULT_HOME)))
    config = home / "config.env"
    source: dict[str, Any] = {"_env_file": config if config.is_file() else None}
    return Settings(**source)


def read_secret(settings: Settings, name: str) -> SecretStr:
    """One secret by its file's name. Raises PlatformError when ``ops/up`` has not made it yet."""
    path = settings.secrets / name
    try:
        return SecretStr(path.read_text().strip())
    except FileNotFoundError:
        raise PlatformError(f"the secret {name} is missing", hint="run ops/up") from None
