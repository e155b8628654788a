"""Base images: what is already there, else pulled, else built here; then known to the registry.

Each image is an *upstream* (pulled, or built from Debian packages) with this machine's certificate
authorities and a plain user on top. They live under their short names in the build engine, where
``FROM`` looks first, and under ``base/…`` in the registry: since both engines then know their
layers from there, an app's push and pull only moves the app's own layers.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from pydantic import BaseModel, ConfigDict

from ops.errors import PlatformError
from ops.settings import Settings, read_secret
from ops.stack.checks import answers
from ops.stack.engines import build_client, client
from ops.stack.programs import CHECKOUT, file_fingerprint, fingerprint
from ops.stack.shell import clean_environment, stream
from ops.stack.steps import Step
from ops.stack.tools import NODE_PACKAGE, find_node

SOURCES = CHECKOUT / "ops" / "images" / "base"
KEY_LABEL = "studio.base"
UPSTREAM = "studio-upstream"


class BaseImage(BaseModel):
    """``recipe`` is the folder that makes its upstream where none can be had."""

    model_config = ConfigDict(frozen=True)

    name: str
    tag: str
    recipe: str
    public: bool = True

    @property
    def short(self) -> str:
        return f"{self.name}:{self.tag}"

    @property
    def upstream(self) -> str:
        return f"{UPSTREAM}/{self.short}"


#: In this order: the later ones are made from the first.
BASE_IMAGES = (
    BaseImage(name="debian", tag="bookworm-slim", recipe="debian"),
    BaseImage(name="node", tag="24-bookworm-slim", recipe="node"),
    BaseImage(name="python", tag="3.11-bookworm-slim", recipe="python"),
    BaseImage(name="studio-static", tag="1", recipe="static", public=False),
)


def image_key(settings: Settings, image: BaseImage) -> str:
    """Changes when the image has to be made anew: its recipe, the certificates, Node."""
    recipe = sorted(path for path in (SOURCES / image.recipe).glob("*") if path.is_file())
    shared = [SOURCES / "common" / "Dockerfile", settings.ca_bundle]
    return fingerprint(image.short, NODE_PACKAGE, file_fingerprint(*recipe, *shared))


def ensure_base_images(settings: Settings, step: Step) -> None:
    """All base images under their short names in the build engine."""
    engine = build_client(settings)
    made = []
    try:
        maker = _Maker(settings, engine, step)
        for image in BASE_IMAGES:
            if _label(engine, image.short) != image_key(settings, image):
                maker.make(image)
                made.append(image.short)
    finally:
        engine.close()
    step.note(f"made {', '.join(made)}" if made else f"{len(BASE_IMAGES)} are there")


def publish_base_images(settings: Settings, step: Step) -> None:
    """Pushes them to ``base/…`` and has the apps' engine pull them from there."""
    password = read_secret(settings, "control-token").get_secret_value()
    login = {"username": "base", "password": password}
    building, running = build_client(settings), client(settings)
    moved = 0
    try:
        for image in BASE_IMAGES:
            repository = f"{settings.registry}/base/{image.name}"
            full = f"{repository}:{image.tag}"
            wanted = building.images.get(image.short)
            if _id(running, full) == _id(building, full) == wanted.id:
                continue
            step.progress(BASE_IMAGES.index(image), len(BASE_IMAGES), image.short)
            wanted.tag(repository, image.tag)
            _followed(
                building.api.push(
                    repository, image.tag, auth_config=login, stream=True, decode=True
                ),
                f"{image.short} cannot be pushed to {settings.registry}",
            )
            _followed(
                running.api.pull(
                    repository, image.tag, auth_config=login, stream=True, decode=True
                ),
                f"{image.short} cannot be pulled from {settings.registry}",
            )
            moved += 1
    finally:
        building.close()
        running.close()
    step.note(f"{moved} moved" if moved else "in place")


def _followed(events: Iterable[dict[str, Any]], what: str) -> None:
    for event in events:
        if "error" in event:
            raise PlatformError(what, log_tail=[str(event["error"])], hint="is 7002 up?")


def _id(engine: docker.DockerClient, name: str) -> str | None:
    try:
        return engine.images.get(name).id
    except ImageNotFound:
        return None


def _label(engine: docker.DockerClient, name: str) -> str | None:
    try:
        return engine.images.get(name).labels.get(KEY_LABEL)
    except ImageNotFound:
        return None


class _Maker:
    """Makes base images in the build engine, one after the other."""

    def __init__(self, settings: Settings, engine: docker.DockerClient, step: Step) -> None:
        self.settings = settings
        self.engine = engine
        self.step = step
        self.can_pull = True

    def make(self, image: BaseImage) -> None:
        if _id(self.engine, image.upstream) is None or not image.public:
            self._upstream(image)
        self._say(f"{image.short}: certificates and user")
        with _context("common") as context:
            shutil.copy(self.settings.ca_bundle, context / "ca-certificates.crt")
            self._build(
                context,
                image.short,
                f"--build-arg=UPSTREAM={image.upstream}",
                f"--label={KEY_LABEL}={image_key(self.settings, image)}",
            )

    def _upstream(self, image: BaseImage) -> None:
        if image.public and (self._from_apps_engine(image) or self._pulled(image)):
            return
        self._say(f"{image.short}: building")
        if image.recipe == "debian":
            self._bootstrap(image)
            return
        with _context(image.recipe) as context:
            if image.recipe == "node":
                _copy_node(find_node(self.settings), context / "node")
            self._build(context, image.upstream)

    def _from_apps_engine(self, image: BaseImage) -> bool:
        """What somebody of this machine already pulled need not be pulled again."""
        if not answers(self.settings.docker_socket):
            return False
        engine = client(self.settings)
        try:
            there = engine.images.get(image.short)
            self._say(f"{image.short}: copying from this machine's Docker")
            # A stream from engine to engine, which the stubs of the SDK do not know it takes.
            for loaded in self.engine.images.load(there.save(named=True)):  # type: ignore[arg-type]
                loaded.tag(f"{UPSTREAM}/{image.name}", image.tag)
            return True
        except ImageNotFound:
            return False
        finally:
            engine.close()

    def _pulled(self, image: BaseImage) -> bool:
        if not self.can_pull:
            return False
        self._say(f"{image.short}: pulling")
        try:
            pulled = self.engine.images.pull(image.name, image.tag)
        except (APIError, DockerException, OSError):
            self.can_pull = False
            return False
        pulled.tag(f"{UPSTREAM}/{image.name}", image.tag)
        return True

    def _bootstrap(self, image: BaseImage) -> None:
        with tempfile.TemporaryDirectory(prefix="studio-base-") as folder:
            archive = Path(folder, "debian.tar")
            leave_out = ("man", "info", "doc", "locale")
            options = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in leave_out]
            stream(
                [
                    "mmdebstrap",
                    "--variant=minbase",
                    "--include=ca-certificates",
                    *options,
                    "bookworm",
                    archive,
                ],
                self._say,
                hint="Debian's package mirror must be reachable",
            )
            self.engine.api.import_image_from_file(
                str(archive),
                repository=f"{UPSTREAM}/{image.name}",
                tag=image.tag,
                changes=[
                    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    'CMD ["bash"]',
                ],
            )

    def _build(self, context: Path, name: str, *options: str) -> None:
        with tempfile.TemporaryDirectory(prefix="studio-buildx-") as home:
            stream(
                [
                    self.settings.tools_bin / "docker-buildx",
                    "build",
                    "--builder=default",
                    "--progress=plain",
                    "--provenance=false",
                    f"--tag={name}",
                    *options,
                    "--",
                    context,
                ],
                self._say,
                env=clean_environment(
                    DOCKER_HOST=f"unix://{self.settings.build_socket}",
                    DOCKER_CONFIG=home,
                    BUILDX_CONFIG=home,
                    HOME=home,
                ),
                hint="base images are built from Debian packages; its mirror must be reachable",
            )

    def _say(self, line: str) -> None:
        self.step.progress(0, 1, line[:60])


@contextmanager
def _context(recipe: str) -> Iterator[Path]:
    """A build context: a copy of a recipe that more files can be put into."""
    with tempfile.TemporaryDirectory(prefix="studio-context-") as holder:
        yield Path(shutil.copytree(SOURCES / recipe, Path(holder, "context")))


def _copy_node(source: Path, target: Path) -> None:
    """The official layout below /usr/local: the binary, npm, corepack and the headers."""
    shutil.copytree(source / "include", target / "include")
    shutil.copytree(source / "lib" / "node_modules", target / "lib" / "node_modules")
    (target / "bin").mkdir()
    shutil.copy(source / "bin" / "node", target / "bin" / "node")
