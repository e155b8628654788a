"""What a person would do by hand beside the platform: the same image by plain Docker, one nginx."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from ops.bench.waiting import until_answers
from ops.errors import PlatformError
from ops.settings import Node, Settings
from ops.stack.engines import PLATFORM_LABEL
from ops.stack.programs import server_user

PORT = 3000
ANSWERS = "require('http').createServer((q, a) => a.end('hi')).listen(3000)"
REQUESTS = 20_000
CLIENTS = 16


class PlainDocker:
    """``docker run`` and ``docker start`` of the workspaces' image, until it answers."""

    def __init__(self, settings: Settings, node: Node, name: str, place: int = 0) -> None:
        """``place`` tells those that are there at the same time apart."""
        self._settings = settings
        self._node = node
        self._place = place
        self._name = f"{settings.name_prefix}bench-{name}"
        self.engine: Any = docker.APIClient(
            base_url=f"unix://{settings.docker_socket}", version="auto"
        )

    def run(self) -> None:
        """As its own command line does it."""
        assert self._node.subnet is not None
        self._docker(
            *("run", "--detach", "--init", "--name", self._name),
            *("--label", f"{PLATFORM_LABEL}={self._settings.platform}"),
            *("--network", str(self._node.bridge), "--ip", str(self._address)),
            *(self._settings.workspace_image, "node", "-e", ANSWERS),
        )
        self._answers()

    def start(self) -> None:
        self._docker("start", self._name)
        self._answers()

    def stop(self) -> None:
        self._docker("stop", "--time", "1", self._name)

    def remove(self) -> None:
        self._docker("rm", "--force", self._name)

    @property
    def _address(self) -> str:
        """Beyond those of workspaces and imports."""
        assert self._node.subnet is not None
        return str(self._node.subnet.network_address + 3000 + self._place)

    def _answers(self) -> None:
        until_answers(f"http://{self._address}:{PORT}/")

    def _docker(self, *words: str) -> None:
        engine = ("-H", f"unix://{self._settings.docker_socket}")
        subprocess.run(
            ["docker", *engine, *words],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    @contextmanager
    def shell(self, container: str) -> Iterator[socket.socket]:
        """A terminal of ``docker exec -it``."""
        made = self.engine.exec_create(
            container, ["bash", "--login"], tty=True, stdin=True, stdout=True, stderr=True
        )
        attached = self.engine.exec_start(made["Id"], tty=True, socket=True)
        try:
            yield attached._sock
        finally:
            attached.close()

    def begin(self, container: str, folder: str, *argv: str) -> None:
        made = self.engine.exec_create(
            container, list(argv), user="1000:1000", workdir=folder, environment={"PORT": str(PORT)}
        )
        self.engine.exec_start(made["Id"], detach=True)

    def command(self, container: str, *argv: str) -> None:
        self._docker("exec", container, *argv)

    def address(self, container: str) -> str:
        networks = self.engine.inspect_container(container)["NetworkSettings"]["Networks"]
        return str(networks[self._node.bridge]["IPAddress"])


@dataclass
class Load:
    per_second: float
    p99_ms: float


def need_ab() -> None:
    """Raises PlatformError where there is no ``ab``."""
    if shutil.which("ab") is None:
        raise PlatformError("this benchmark needs ab", hint="apt-get install apache2-utils")


def load(url: str, headers: dict[str, str]) -> Load:
    """Many requests over kept connections, by ``ab``."""
    given = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    done = subprocess.run(
        ["ab", "-q", "-k", "-n", str(REQUESTS), "-c", str(CLIENTS), *given, url],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"http_proxy": ""},
    ).stdout
    failed = re.search(r"Non-2xx responses:\s+(\d+)", done)
    rate = re.search(r"Requests per second:\s+([\d.]+)", done)
    p99 = re.search(r"99%\s+(\d+)", done)
    if failed or rate is None or p99 is None:
        raise PlatformError(f"{url} does not answer as it should", log_tail=done.splitlines())
    return Load(float(rate[1]), float(p99[1]))


@contextmanager
def one_nginx(settings: Settings, folder: Path, upstream: str) -> Iterator[str]:
    """An nginx of its own before the same server; its address.

    It runs as the gateways do: the firewall lets nobody else on this host reach a workspace.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(f"""
user {server_user(settings)};
worker_processes auto;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 100000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream there {{ server {upstream}; keepalive 32; keepalive_requests 100000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://there;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
""")
    process = subprocess.Popen(["/usr/sbin/nginx", "-c", config, "-g", "daemon off;"])
    url = f"http://127.0.0.1:{port}/"
    try:
        until_answers(url)
        yield url
    finally:
        process.terminate()
        process.wait()
