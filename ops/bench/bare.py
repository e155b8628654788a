"""The bare script that a person would write instead of a platform: clone, build, push, pull, run.

It uses the same engines, registry and Git server as the platform. It replaces the old container
before the new one answers, so it has downtime; the platform has none.
"""

from __future__ import annotations

import json
import subprocess
import time
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import httpx

from ops.bench.waiting import until_answers
from ops.settings import Settings, read_secret
from ops.stack.engines import PLATFORM_LABEL

PORT = 3000
STEPS = ("clone", "build + push", "pull", "rm", "run to first 200")


@dataclass
class Timing:
    """Seconds of one run, by step."""

    steps: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        return sum(self.steps.values())


class BareScript:
    """Deploys one repository again and again under one container name."""

    def __init__(self, settings: Settings, work: Path, name: str) -> None:
        self._settings = settings
        self._work = work
        self._name = f"{settings.name_prefix}bench-{name}"
        self._image = f"{settings.registry}/{settings.image_namespace}/bench-{name}:latest"
        self._digests: set[str] = set()
        self._config = work / "docker-config"
        self._config.mkdir(mode=0o700, exist_ok=True)
        token = read_secret(settings, "control-token").get_secret_value()
        self._auth = {"username": "control", "password": token}
        basic = b64encode(f"control:{token}".encode()).decode()
        auths = {"auths": {settings.registry: {"auth": basic}}}
        (self._config / "config.json").write_text(json.dumps(auths))
        self._engine: Any = docker.APIClient(
            base_url=f"unix://{settings.docker_socket}", version="auto"
        )

    def run(self, repository: Path) -> Timing:
        timing = Timing()
        clone = self._work / f"clone-{self._name}"
        steps = (
            ("clone", lambda: self._clone(repository, clone)),
            ("build + push", lambda: self._build(clone)),
            ("pull", lambda: self._engine.pull(self._image, auth_config=self._auth)),
            ("rm", self.remove),
            ("run to first 200", self._start),
        )
        for name, step in steps:
            started = time.perf_counter()
            step()
            timing.steps[name] = time.perf_counter() - started
        subprocess.run(["rm", "-rf", clone], check=True)
        self._digests.update(self._engine.inspect_image(self._image)["RepoDigests"])
        return timing

    def _clone(self, repository: Path, clone: Path) -> None:
        subprocess.run(
            ["git", "clone", "-q", "--depth", "1", f"file://{repository}", clone], check=True
        )

    def _build(self, clone: Path) -> None:
        subprocess.run(
            [
                self._settings.tools_bin / "docker-buildx",
                *("build", "--quiet", "--push", "--builder", "default"),
                *("--tag", self._image),
                clone,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self._work),
                "DOCKER_HOST": f"unix://{self._settings.build_socket}",
                "DOCKER_CONFIG": str(self._config),
            },
        )

    def remove(self) -> None:
        try:
            self._engine.remove_container(self._name, force=True, v=True)
        except docker.errors.NotFound:
            return

    def _start(self) -> None:
        node = next(node for node in self._settings.nodes if node.role == "runtime")
        self._engine.create_container(
            self._image,
            name=self._name,
            environment={"PORT": str(PORT)},
            # If it is killed meanwhile, ops/down --purge finds this.
            labels={PLATFORM_LABEL: self._settings.platform},
            host_config=self._engine.create_host_config(network_mode=node.bridge),
        )
        self._engine.start(self._name)
        networks = self._engine.inspect_container(self._name)["NetworkSettings"]["Networks"]
        address = networks[node.bridge]["IPAddress"]
        until_answers(f"http://{address}:{PORT}/")

    def close(self) -> None:
        """Removes all that it has made: the container, and its images wherever they are."""
        self.remove()
        builder: Any = docker.APIClient(
            base_url=f"unix://{self._settings.build_socket}", version="auto"
        )
        for engine in (self._engine, builder):
            for image in engine.images(self._image.rpartition(":")[0], quiet=True):
                engine.remove_image(image, force=True)
            engine.close()
        with httpx.Client(trust_env=False) as client:
            for name, _, digest in (one.partition("@") for one in self._digests):
                repository = name.partition("/")[2]
                token = client.get(
                    f"{self._settings.control_url}/registry/token",
                    params={
                        "service": "studio-registry",
                        "scope": f"repository:{repository}:delete,pull",
                    },
                    auth=(self._auth["username"], self._auth["password"]),
                ).json()["token"]
                client.delete(
                    f"http://{self._settings.registry}/v2/{repository}/manifests/{digest}",
                    headers={"Authorization": f"Bearer {token}"},
                ).raise_for_status()
