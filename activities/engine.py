"""The build engine: a Docker engine of its own, which runs no apps. Blocking calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from pydantic import SecretStr
from requests.exceptions import RequestException

from activities.container_spec import Labels
from ops.error_codes import ErrorCode
from ops.errors import BuildFailed, PlatformError
from ops.settings import Settings

TIMEOUT = 30
"""Seconds without a byte from the engine after which a call counts as failed and is retried."""


@dataclass(frozen=True)
class Login:
    user: str
    password: SecretStr


class Engine:
    """Raises PlatformError while the engine is away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _api(self) -> Any:
        try:
            return docker.APIClient(
                base_url=f"unix://{self._settings.build_socket}", timeout=TIMEOUT, version="auto"
            )
        except DockerException as error:
            raise _away(error) from None

    def answers(self) -> bool:
        try:
            self._api.ping()
        except (PlatformError, APIError, RequestException):
            return False
        return True

    def image_id(self, name: str) -> str | None:
        """The id of a local image; None when there is none of that name."""
        found = self._inspect(name)
        return None if found is None else str(found["Id"])

    def names(self, image: str) -> list[str]:
        """What else a local image is known by: names with tags, and with digests."""
        found = self._inspect(image) or {}
        return [*(found.get("RepoTags") or []), *(found.get("RepoDigests") or [])]

    def size(self, image_id: str) -> int:
        """Bytes of a local image with everything below it; 0 when it is gone."""
        found = self._inspect(image_id) or {}
        return int(found.get("Size") or 0)

    def size_above(self, image_id: str, bases: Iterable[str]) -> int:
        """Bytes of a local image without those of the largest of ``bases`` that it stands on."""
        found = self._inspect(image_id) or {}
        layers = _layers(found)
        below = 0
        for name in bases:
            base = self._inspect(name) or {}
            under = _layers(base)
            if under and layers[: len(under)] == under:
                below = max(below, int(base.get("Size") or 0))
        return max(0, int(found.get("Size") or 0) - below)

    def tag(self, image_id: str, repository: str, tag: str) -> None:
        """Raises BuildFailed when the image is gone."""
        try:
            self._api.tag(image_id, repository, tag, force=True)
        except (ImageNotFound, NotFound):
            raise BuildFailed(
                "the built image is no longer in the build engine",
                code=ErrorCode.IMAGE_GONE,
                hint="deploy once more",
            ) from None
        except (APIError, RequestException) as error:
            raise _away(error) from None

    def remove(self, name: str) -> None:
        """Removes a name and, with its last one, the image. Its layers stay in the build cache."""
        try:
            self._api.remove_image(name, noprune=False)
        except (ImageNotFound, NotFound):
            return
        except (APIError, RequestException) as error:
            raise _away(error) from None

    def discard(self, name: str, app_id: int, is_pushed: Callable[[str], bool]) -> None:
        """Removes what a build of an app left: ``name``, what was to be pushed, what has no name.

        ``is_pushed`` knows the tags that this build pushes. The app's label is in its images, so
        that whatever one is called is the app's own. ``app_id`` is 0 for an app that nobody knows
        any more; what has no name then stays.
        """
        names = self.names(name)
        self.remove(name)
        for image in self._of_app(app_id) if app_id else ():
            names += image.get("RepoTags") or [str(image["Id"])]
        pushing = f"{self._settings.registry}/{self._settings.image_namespace}/"
        for other in names:
            to_push = other.startswith(pushing) and is_pushed(other.rpartition(":")[2])
            if to_push or other.startswith("sha256:"):
                self.remove(other)

    def _of_app(self, app_id: int) -> list[dict[str, Any]]:
        labels = [f"{Labels.PLATFORM}={self._settings.platform}", f"{Labels.APP}={app_id}"]
        try:
            found: list[dict[str, Any]] = self._api.images(filters={"label": labels})
        except (APIError, RequestException) as error:
            raise _away(error) from None
        return found

    def push(self, repository: str, tag: str, login: Login, look: Callable[[], None]) -> str:
        """Pushes a local name to the registry and answers with its digest there.

        ``look`` is called all along; what it raises ends the push.
        """
        digest = ""
        try:
            events = self._api.push(
                repository,
                tag=tag,
                stream=True,
                decode=True,
                auth_config={
                    "username": login.user,
                    "password": login.password.get_secret_value(),
                },
            )
            # Closed, or the engine goes on with what nobody waits for.
            with closing(events):
                for event in events:
                    look()
                    if "error" in event:
                        raise PlatformError(
                            f"the registry did not take the image: {str(event['error'])[:300]}",
                            hint="it is tried again by itself",
                        )
                    digest = (event.get("aux") or {}).get("Digest", digest)
        except (APIError, RequestException) as error:
            raise _away(error) from None
        if not digest:
            raise PlatformError("the push ended without a digest")
        return digest

    def cache_bytes(self) -> int:
        """What the build cache takes up, with what images share of it."""
        try:
            records = self._api.df().get("BuildCache") or []
        except (APIError, RequestException) as error:
            raise _away(error) from None
        return sum(int(record["Size"]) for record in records)

    def prune_cache(self, keep_bytes: int) -> int:
        """Removes the build cache that was unused for longest, beyond ``keep_bytes``."""
        try:
            answer = self._api.prune_builds(keep_storage=keep_bytes, all=True)
        except (APIError, RequestException) as error:
            raise _away(error) from None
        return int(answer.get("SpaceReclaimed") or 0)

    def _inspect(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._api.inspect_image(name)
        except (ImageNotFound, NotFound):
            return None
        except (APIError, RequestException) as error:
            raise _away(error) from None
        return found


def _layers(found: dict[str, Any]) -> list[str]:
    return list((found.get("RootFS") or {}).get("Layers") or [])


def _away(error: Exception) -> PlatformError:
    return PlatformError(
        f"the build engine does not answer as it should: {str(error)[:200]}",
        hint="it is tried again by itself",
    )
