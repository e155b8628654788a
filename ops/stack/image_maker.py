"""Makes base images in the build engine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.errors import APIError, DockerException, ImageNotFound

from ops.settings import Settings
from ops.stack.base_images import (
    KEY_LABEL,
    LOCAL_LABEL,
    RECIPE_LABEL,
    SOURCES,
    UPSTREAM,
    BaseImage,
    image_id,
    image_key,
    label_of,
    local_key,
    recipe_key,
)
from ops.stack.checks import answers
from ops.stack.engines import client
from ops.stack.shell import clean_environment, stream
from ops.stack.steps import Step
from ops.stack.tools import find_node


class Maker:
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
                image.portable,
                f"--build-arg=UPSTREAM={image.upstream}",
                f"--label={KEY_LABEL}={image_key(self.settings, image)}",
            )

    def make_local(self, image: BaseImage) -> None:
        """The image under the name that ``FROM`` knows, with what is this platform's own."""
        with _context("local") as context:
            if image.npm:
                shutil.copy(self.settings.container_etc / "npmrc", context / "npmrc")
            self._build(
                context,
                image.short,
                f"--build-arg=PORTABLE={image.portable}",
                f"--target={'npm' if image.npm else 'plain'}",
                f"--label={LOCAL_LABEL}={local_key(self.settings, image)}",
            )

    def _upstream_is_good(self, image: BaseImage) -> bool:
        """It was pulled, or was made by the recipe of today."""
        if image_id(self.engine, image.upstream) is None:
            return False
        return label_of(self.engine, image.upstream, RECIPE_LABEL) in (None, recipe_key(image))

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
