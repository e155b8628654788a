"""What is in an app's image: its own files, and nothing that was only given to the build."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import tarfile

import docker

from tests.support import apps
from tests.support.platform import Platform
from tests.support.secrets_seen import platform_secrets, seen_in
from tests.support.user import User, ok
from workflows import ids

SECRET = "only the build and the app know"
DIGEST = hashlib.sha256(SECRET.encode()).hexdigest()
BUILD = f'printf %s "$GREETING" | sha256sum | grep -q {DIGEST} && echo built > built'


def own_parts(image: bytes) -> bytes:
    """An image's description and the layers that are not those of its base, as bytes."""
    found = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(image)) as archive:

        def part(name: str) -> bytes:
            file = archive.extractfile(name)
            assert file is not None
            return file.read()

        (manifest,) = json.loads(part("manifest.json"))
        description = json.loads(part(manifest["Config"]))
        found.write(part(manifest["Config"]))
        steps = [step for step in description["history"] if not step.get("empty_layer")]
        assert len(steps) == len(manifest["Layers"])
        for step, layer in zip(steps, manifest["Layers"], strict=True):
            if "buildkit" in step.get("comment", ""):
                found.write(part(layer))
    return found.getvalue()


async def test_no_secret_is_in_an_image(platform: Platform, user: User) -> None:
    package = {"scripts": {"start": "node server.js", "build": BUILD}}
    app = await user.app(apps.hello() | {"package.json": json.dumps(package)})
    variables = {"variables": [{"key": "GREETING", "value": SECRET, "at_build": True}]}
    ok(await user.api.put(f"/api/apps/{app.id}/env", json=variables))
    deployment = await app.deployed()
    assert deployment["status"] == "SUCCEEDED", deployment

    settings = platform.settings
    engine = docker.DockerClient(base_url=f"unix://{settings.docker_socket}")
    try:
        name = settings.name_prefix + ids.app_container(app.id, deployment["id"])
        image = engine.containers.get(name).image
        assert image is not None
        saved = await asyncio.to_thread(lambda: b"".join(image.save()))
    finally:
        engine.close()
    own = own_parts(saved)
    assert b"built\n" in own, "the layer of the build step was looked into"
    secrets = platform_secrets(settings) | {"GREETING": SECRET}
    assert seen_in(own, secrets) == []
    assert SECRET.encode() not in saved
