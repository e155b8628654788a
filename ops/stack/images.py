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
from ops.stack.shell import clean_environment, run, stream
from ops.stack.steps import Step
from ops.stack.tools import NODE_PACKAGE, find_node

SOURCES = CHECKOUT / "ops" / "images" / "base"
KEY_LABEL = "studio.base"
RECIPE_LABEL = "studio.recipe"
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


def recipe_key(image: BaseImage) -> str:
    """Changes when the upstream that is made here has to be made anew."""
    recipe = sorted(path for path in (SOURCES / image.recipe).glob("*") if path.is_file())
    return fingerprint(image.short, NODE_PACKAGE, file_fingerprint(*recipe))


def image_key(settings: Settings, image: BaseImage) -> str:
    """Changes with the recipe, and with what every image gets on top."""
    on_top = file_fingerprint(SOURCES / "common" / "Dockerfile", settings.ca_bundle)
    return fingerprint(recipe_key(image), on_top)


def ensure_base_images(settings: Settings, step: Step) -> None:
    """All base images under their short names in the build engine.

    Made once a cache: another platform on this machine loads them from its archive.
    """
    keys = {image: image_key(settings, image) for image in BASE_IMAGES}
    archive = settings.cache / "images" / f"base-{fingerprint(*keys.values())}.tar"
    engine = build_client(settings)
    try:
        if archive.is_file() and _outdated(engine, keys):
            step.progress(0, 1, "loading")
            _docker(settings, "load", "--quiet", "--input", archive)
        outdated = _outdated(engine, keys)
        maker = _Maker(settings, engine, step)
        for image in outdated:
            maker.make(image)
    finally:
        engine.close()
    if not archive.is_file():
        archive.parent.mkdir(parents=True, exist_ok=True)
        draft = archive.with_suffix(".new")
        step.progress(0, 1, "saving")
        _docker(settings, "save", "--output", draft, *(image.short for image in BASE_IMAGES))
        draft.replace(archive)
        for old in archive.parent.glob("base-*.tar"):
            if old != archive:
                old.unlink()
    names = ", ".join(image.short for image in outdated)
    step.note(f"made {names}" if outdated else f"{len(BASE_IMAGES)} are there")


def _outdated(engine: docker.DockerClient, keys: dict[BaseImage, str]) -> list[BaseImage]:
    return [image for image, key in keys.items() if _label(engine, image.short, KEY_LABEL) != key]


def _docker(settings: Settings, *args: str | Path) -> None:
    """Docker's own command for archives of several images, which the SDK cannot make."""
    run(["docker", "--host", f"unix://{settings.build_socket}", *args], timeout=600)


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


def _label(engine: docker.DockerClient, name: str, label: str) -> str | None:
    try:
        return engine.images.get(name).labels.get(label)
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
        if not self._upstream_is_good(image):
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

    def _upstream_is_good(self, image: BaseImage) -> bool:
        """It was pulled, or was made by the recipe of today."""
        if _id(self.engine, image.upstream) is None:
            return False
        return _label(self.engine, image.upstream, RECIPE_LABEL) in (None, recipe_key(image))

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
            label = f"--label={RECIPE_LABEL}={recipe_key(image)}"
            self._build(context, image.upstream, label)

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
            stream(
                [SOURCES / image.recipe / "bootstrap", archive],
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
                    f"LABEL {RECIPE_LABEL}={recipe_key(image)}",
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
