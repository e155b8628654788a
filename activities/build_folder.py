"""What a runner keeps of one deployment while it is built: one folder, known by the id."""

from __future__ import annotations

import hashlib
import hmac
import shutil
from dataclasses import dataclass
from pathlib import Path

from ops.settings import Settings, read_secret


@dataclass(frozen=True)
class BuildFolder:
    """``{node_home}/builds/{deployment_id}``, and the names of the things in it."""

    root: Path
    deployment_id: int

    @classmethod
    def of(cls, settings: Settings, node_id: str, deployment_id: int) -> BuildFolder:
        return cls(settings.node_home(node_id) / "builds" / str(deployment_id), deployment_id)

    @property
    def source(self) -> Path:
        """The app's files at the commit, without ``.git``."""
        return self.root / "src"

    @property
    def pack(self) -> Path:
        return self.root / "clone.pack"

    @property
    def recipe(self) -> Path:
        """A folder of its own: the build sees the Dockerfile and nothing else of ours."""
        return self.root / "recipe"

    @property
    def dockerfile(self) -> Path:
        return self.recipe / "Dockerfile"

    @property
    def ignore(self) -> Path:
        """BuildKit prefers this file to the source's own .dockerignore."""
        return self.recipe / "Dockerfile.dockerignore"

    @property
    def cloned(self) -> Path:
        """The clone's result; its presence says that ``source`` and ``recipe`` are whole."""
        return self.root / "clone.json"

    @property
    def credentials(self) -> Path:
        """Docker's configuration and the build's environment; removed with every attempt."""
        return self.root / "credentials"

    @property
    def docker_config(self) -> Path:
        return self.credentials / "config.json"

    @property
    def environment(self) -> Path:
        return self.credentials / "env"

    @property
    def image_id(self) -> Path:
        return self.root / "image-id"

    @property
    def pid_file(self) -> Path:
        return self.root / "build.pid"

    @property
    def pushed(self) -> Path:
        """Image id and digest, once pushed: a repeated push finds them after the tags are gone."""
        return self.root / "pushed.json"

    def make(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def remove_credentials(self) -> None:
        shutil.rmtree(self.credentials, ignore_errors=True)

    def remove(self) -> bool:
        """Removes everything; whether there was anything. Raises OSError when some of it stays."""
        if not self.root.exists():
            return False
        shutil.rmtree(self.root)
        return True


def checkouts(settings: Settings, node_id: str) -> list[int]:
    """Deployments of which this runner keeps a folder."""
    builds = settings.node_home(node_id) / "builds"
    if not builds.is_dir():
        return []
    return sorted(int(path.name) for path in builds.iterdir() if path.name.isdecimal())


def pushed_tag(commit: str, deployment_id: int, image_id: str) -> str:
    """Its image's own for ever: the registry keeps a manifest whose tag was moved to another, and
    nothing would find it any more."""
    return f"{commit}-{deployment_id}-{image_id.removeprefix('sha256:')[:12]}"


def is_pushed_by(deployment_id: int, tag: str) -> bool:
    """Whether it is one of this deployment's, of whichever image."""
    return tag.split("-")[1:2] == [str(deployment_id)]


def local_image(settings: Settings, node_id: str, deployment_id: int) -> str:
    """The image's name in the build engine, which is shared.

    BuildKit takes a local image for any ``FROM`` of its name, whoever built it, so no other build
    may be able to guess it.
    """
    token = read_secret(settings, f"node-{node_id}").get_secret_value()
    name = hmac.new(token.encode(), f"image/{deployment_id}".encode(), hashlib.sha256)
    return f"studio-build/{name.hexdigest()}:latest"
