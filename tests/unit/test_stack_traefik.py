"""Traefik is given a certificate once, so that it makes none of its own at each change of a route."""

from __future__ import annotations

import os
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ops.settings import Settings
from ops.stack import traefik


def test_each_runtime_has_a_certificate_beside_its_routes(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, runtimes=2)
    settings.etc.mkdir(parents=True)
    folders = [
        settings.node_home(node.node_id) / "routes"
        for node in settings.nodes
        if node.role == "runtime"
    ]
    for folder in folders:
        folder.mkdir(parents=True)
    me = (os.getuid(), os.getgid())
    traefik.write_configs(settings, me)
    made = [(folder / traefik.CERTIFICATE).read_text() for folder in folders]
    for folder, text in zip(folders, made, strict=True):
        assert (folder / traefik.CERTIFICATE).stat().st_mode & 0o777 == 0o600
        given = yaml.safe_load(text)["tls"]["stores"]["default"]["defaultCertificate"]
        certificate = x509.load_pem_x509_certificate(given["certFile"].encode())
        key = load_pem_private_key(given["keyFile"].encode(), None)
        assert certificate.public_key() == key.public_key()
    traefik.write_configs(settings, me)
    assert [(folder / traefik.CERTIFICATE).read_text() for folder in folders] == made
    assert len(set(made)) == 2
