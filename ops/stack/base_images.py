"""What the base images are, and by which keys an image that is there is known to be today's."""

from __future__ import annotations

import docker
from docker.errors import ImageNotFound
from pydantic import BaseModel, ConfigDict

from ops.settings import Settings
from ops.stack.programs import CHECKOUT, file_fingerprint, fingerprint
from ops.stack.tools import NODE_PACKAGE

SOURCES = CHECKOUT / "ops" / "images" / "base"
KEY_LABEL = "studio.base"
LOCAL_LABEL = "studio.local"
RECIPE_LABEL = "studio.recipe"
UPSTREAM = "studio-upstream"
PORTABLE = "studio-portable"


class BaseImage(BaseModel):
    """``recipe`` is the folder that makes its upstream where none can be had.

    ``npm``: builds from it get packages from this platform's own cache.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    tag: str
    recipe: str
    public: bool = True
    npm: bool = False

    @property
    def short(self) -> str:
        return f"{self.name}:{self.tag}"

    @property
    def upstream(self) -> str:
        return f"{UPSTREAM}/{self.short}"

    @property
    def portable(self) -> str:
        """The image as any platform on this machine can use it."""
        return f"{PORTABLE}/{self.short}"

    @property
    def repository(self) -> str:
        """Where the registry has it, with both its tags."""
        return f"base/{self.name}"

    @property
    def portable_tag(self) -> str:
        return f"{self.tag}-portable"


#: In this order: the later ones are made from the first.
BASE_IMAGES = (
    BaseImage(name="debian", tag="bookworm-slim", recipe="debian"),
    BaseImage(name="node", tag="24-bookworm-slim", recipe="node", npm=True),
    BaseImage(name="python", tag="3.11-bookworm-slim", recipe="python"),
    BaseImage(name="studio-static", tag="1", recipe="static", public=False),
    BaseImage(name="studio-workspace", tag="1", recipe="workspace", public=False),
)


def recipe_key(image: BaseImage) -> str:
    """Changes when the upstream that is made here has to be made anew."""
    recipe = sorted(path for path in (SOURCES / image.recipe).glob("*") if path.is_file())
    return fingerprint(image.short, NODE_PACKAGE, file_fingerprint(*recipe))


def image_key(settings: Settings, image: BaseImage) -> str:
    """Changes with the recipe, and with what every image gets on top."""
    on_top = file_fingerprint(SOURCES / "common" / "Dockerfile", settings.ca_bundle)
    return fingerprint(recipe_key(image), on_top)


def local_key(settings: Settings, image: BaseImage) -> str:
    """Changes also with what only this platform's copy of the image has."""
    npmrc = file_fingerprint(settings.container_etc / "npmrc") if image.npm else ""
    return fingerprint(image_key(settings, image), npmrc)


def image_id(engine: docker.DockerClient, name: str) -> str | None:
    try:
        return engine.images.get(name).id
    except ImageNotFound:
        return None


def label_of(engine: docker.DockerClient, name: str, label: str) -> str | None:
    try:
        return engine.images.get(name).labels.get(label)
    except ImageNotFound:
        return None
