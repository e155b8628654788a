"""What the platform shows to the machine and the network it runs on: sockets, files, processes."""

from __future__ import annotations

import socket
import stat

import psutil

from ops.settings import Settings
from ops.stack.supervisor import Supervisor
from tests.support.platform import Platform
from tests.support.prober import Probe


def processes(settings: Settings) -> list[psutil.Process]:
    """The supervisor and everything below it; containers are not."""
    found = [psutil.Process(pid) for pid in Supervisor(settings).processes()]
    assert len(found) > 10
    return found


def secrets(settings: Settings) -> dict[str, str]:
    """Every secret by its file; of a key in PEM its longest line."""
    gitea = settings.data / "gitea" / "secrets"
    files = [*settings.secrets.iterdir(), *gitea.iterdir()]
    public = settings.secrets / "registry-cert.pem"
    return {
        str(path.relative_to(settings.home)): max(path.read_text().split("\n"), key=len)
        for path in files
        if path != public
    }


def test_servers_listen_where_the_design_says_and_nowhere_else(platform: Platform) -> None:
    settings = platform.settings
    ports = settings.ports
    mine = {process.pid for process in processes(settings)}
    beyond_loopback = set()
    for found in psutil.net_connections("inet"):
        listens = found.status == psutil.CONN_LISTEN or found.type == socket.SOCK_DGRAM
        if found.pid in mine and listens and found.laddr:
            address, port = found.laddr
            if address not in ("127.0.0.1", "::1"):
                beyond_loopback.add((address, port))
    service = str(settings.service_address)
    of_containers = (
        ports.registry,
        ports.deploy_control,
        ports.mongo,
        ports.verdaccio,
        ports.gitea_ssh,
    )
    assert beyond_loopback == {
        ("0.0.0.0", ports.public),
        *((service, port) for port in of_containers),
    }


def test_secrets_are_files_of_their_owner_alone(platform: Platform) -> None:
    settings = platform.settings
    assert stat.S_IMODE(settings.secrets.stat().st_mode) == 0o700
    for name in secrets(settings):
        mode = (settings.home / name).stat().st_mode
        assert stat.S_IMODE(mode) == 0o600, name
    for folder in ("gitea", "mysql", "postgres", "registry", "temporal", "prometheus"):
        assert stat.S_IMODE((settings.data / folder).stat().st_mode) == 0o700, folder
    for path in settings.home.glob("*/*"):
        if not path.is_symlink() and not path.is_socket():
            assert not path.stat().st_mode & stat.S_IWOTH, path
    for socket_file in (settings.run / "supervisor.sock", settings.build_socket):
        assert not socket_file.stat().st_mode & stat.S_IRWXO, socket_file


def test_no_secret_is_in_a_command_line_an_environment_or_a_log(
    platform: Platform, probes: tuple[Probe, Probe]
) -> None:
    settings = platform.settings
    places: dict[str, str] = {}
    for process in processes(settings):
        places[f"command line of {process.name()}"] = " ".join(process.cmdline())
        places[f"environment of {process.name()}"] = str(process.environ())
    for log in settings.logs.glob("*.log"):
        places[log.name] = log.read_text(errors="replace")
    for log in (settings.data / "control" / "logs").glob("*.jsonl"):
        places[log.name] = log.read_text(errors="replace")
    for path in settings.etc.iterdir():
        if path.is_file() and path.stat().st_mode & stat.S_IROTH:
            places[path.name] = path.read_text(errors="replace")
    places["history"] = (settings.data / "temporal" / "temporal.db").read_bytes().decode("latin-1")
    places["container"] = str(probes[0].container)
    for secret, value in secrets(settings).items():
        assert len(value) >= 16
        for place, text in places.items():
            assert value not in text, f"{secret} is in {place}"
