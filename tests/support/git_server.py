"""A public Git server, as far as imports see it: https on an address that nobody's network has.

It is in a network namespace of its own. Run as a program there, it serves a folder; paths below
``/redirect/`` lead to 127.0.0.1, those below ``/hang/`` never answer, and those below ``/slow/`` lead
to the same without it, after a while.
"""

from __future__ import annotations

import datetime
import http.server
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMESPACE = "studio-tests-git"
ADDRESS = IPv4Address("11.7.7.7")
HOST_END = "11.7.7.6/31"
PORT = 443
READY_SECONDS = 10.0
SLOW_SECONDS = 1.0


def certificate(folder: Path) -> Path:
    """A self-signed one for the address, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "git of the tests")])
    begun = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begun)
        .not_valid_after(begun + datetime.timedelta(days=10))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ADDRESS)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = folder / "cert.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return public


def make_trusted(certificate_file: Path, folder: Path) -> None:
    """Imports trust what ``certificate_file`` (``STUDIO_IMPORT_CA``) holds: the server's own."""
    certificate_file.write_bytes(certificate(folder).read_bytes())
    certificate_file.chmod(0o644)


def publish(folder: Path, name: str, files: Mapping[str, bytes]) -> None:
    """A repository in ``folder``, whose default branch is not main."""
    work = folder / "work" / name
    work.mkdir(parents=True)
    git(work, "init", "-q", "-b", "trunk")
    for path, content in files.items():
        (work / path).write_bytes(content)
    git(work, "add", "-A")
    who = ("-c", "user.name=x", "-c", "user.email=x@tests.example")
    git(work, *who, "commit", "-q", "--allow-empty", "-m", "theirs")
    _run("git", "clone", "-q", "--bare", str(work), str(folder / f"{name}.git"))
    git(folder / f"{name}.git", "update-server-info")


def git(folder: Path, *words: str) -> None:
    _run("git", "-C", str(folder), *words)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address below which the folder's repositories are (``git update-server-info`` was run)."""
    _remove()
    link = ("veth", "peer", "name", "eth0", "netns", NAMESPACE)
    _run("ip", "netns", "add", NAMESPACE)
    process = None
    try:
        _run("ip", "link", "add", "studio-t-git", "type", *link)
        _run("ip", "addr", "add", HOST_END, "dev", "studio-t-git")
        _run("ip", "link", "set", "studio-t-git", "up")
        _inside("ip", "addr", "add", f"{ADDRESS}/31", "dev", "eth0")
        _inside("ip", "link", "set", "eth0", "up")
        _inside("ip", "route", "add", "default", "via", HOST_END.partition("/")[0])
        process = subprocess.Popen(
            [*_enter(), sys.executable, __file__, str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield f"https://{ADDRESS}"
    finally:
        if process is not None:
            process.kill()
            process.wait()
        _remove()


def _enter() -> list[str]:
    return ["nsenter", f"--net=/var/run/netns/{NAMESPACE}"]


def _inside(*argv: str) -> None:
    _run(*_enter(), *argv)


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


def _remove() -> None:
    with suppress(subprocess.CalledProcessError):
        _run("ip", "link", "del", "studio-t-git")
    with suppress(subprocess.CalledProcessError):
        _run("ip", "netns", "del", NAMESPACE)


class _Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/redirect/"):
            self.send_response(302)
            self.send_header("Location", "https://127.0.0.1/x.git/info/refs")
            self.end_headers()
        elif self.path.startswith("/hang/"):
            time.sleep(3600)
        elif self.path.startswith("/slow/"):
            time.sleep(SLOW_SECONDS)
            self.path = self.path.removeprefix("/slow")
            super().do_GET()
        else:
            super().do_GET()


def main(folder: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")

    def handler(*given: object) -> _Handler:
        return _Handler(*given, directory=str(folder))  # type: ignore[arg-type]

    server = http.server.ThreadingHTTPServer((str(ADDRESS), PORT), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
