"""Secrets: made once, one file each (mode 600), never printed but the first administrator's login."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ops.crypto import Vault
from ops.settings import Settings

RANDOM = (
    "mysql-root",
    "mysql-studio",
    "postgres-admin",
    "entry-token",
    "control-token",
    "registry-http-secret",
)


def ensure_secrets(settings: Settings) -> int:
    """Makes what is missing; returns how many were made."""
    folder = settings.secrets
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    names = [*RANDOM, *(f"node-{node.node_id}" for node in settings.nodes)]
    made = sum(put_once(folder / name, lambda: secrets.token_urlsafe(32)) for name in names)
    made += put_once(folder / "admin-password", lambda: secrets.token_urlsafe(12))
    made += put_once(folder / "encryption-key", Vault.new_key)
    if not (folder / "registry-cert.pem").exists():
        # The key signs tokens; by the certificate the registry knows it.
        key, certificate = new_certificate("studio registry tokens")
        put(folder / "registry-key.pem", key)
        put(folder / "registry-cert.pem", certificate)
        made += 2
    return made


def put_once(path: Path, make: Callable[[], str], *, owner: tuple[int, int] = (0, 0)) -> bool:
    """True when it was not there and was made."""
    if path.exists():
        return False
    put(path, make(), owner=owner)
    return True


def put(path: Path, text: str, *, owner: tuple[int, int] = (0, 0)) -> None:
    """Written whole or not at all: a secret half written would be kept for ever."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text if text.endswith("\n") else text + "\n")
    os.chown(draft, *owner)
    draft.replace(path)


def new_certificate(common_name: str) -> tuple[str, str]:
    """A key and the certificate by which it is known, which it signed itself; both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()
