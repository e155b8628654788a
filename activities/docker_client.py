"""Docker's client, for which an engine that is away is an error of the platform, told in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from ops.errors import PlatformError

TIMEOUT = 30
"""Seconds without a byte from the engine after which a call counts as failed and is retried."""


class EngineClient(docker.APIClient):
    """Raises PlatformError when the engine does not answer; what it does answer is left alone."""

    def __init__(self, socket: Path) -> None:
        try:
            super().__init__(base_url=f"unix://{socket}", timeout=TIMEOUT, version="auto")
        except DockerException as error:
            raise _away(error) from None

    def send(self, request: Any, **options: Any) -> Any:
        try:
            return super().send(request, **options)
        except RequestException as error:
            raise _away(error) from None


def _away(error: Exception) -> PlatformError:
    return PlatformError(
        f"the Docker engine does not answer: {str(error)[:200]}",
        hint="it is tried again by itself",
    )
