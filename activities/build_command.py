"""The build's command line, environment and files, by pure functions.

Nothing that a person wrote can become an option here, and nothing secret is on the command line:
people's texts follow the option they belong to, and secrets are files of the build's own folder.
"""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping

from pydantic import SecretStr

from activities.build_folder import BuildFolder
from activities.container_spec import Labels
from activities.contracts.runner import BuildInput
from activities.dockerfile import ENV_ARG
from activities.engine import Login
from ops.settings import Settings
from ops.validation import env_key


def build_argv(
    settings: Settings, folder: BuildFolder, given: BuildInput, env_id: str
) -> list[str]:
    """The buildx command that builds the checkout and leaves the image in the build engine."""
    arguments = {
        **given.source.build_args,
        "BASE_PATH": given.base_path,
        ENV_ARG: env_id,
        # Cache mounts are shared by all builds of one user and by nobody else's.
        "BUILDKIT_CACHE_MOUNT_NS": f"u{given.user_id}",
    }
    labels = {
        Labels.PLATFORM: settings.platform,
        Labels.APP: str(given.app_id),
        Labels.USER: str(given.user_id),
    }
    return [
        str(settings.tools_bin / "docker-buildx"),
        "build",
        "--builder=default",
        "--progress=plain",
        "--provenance=false",
        "--sbom=false",
        f"--iidfile={folder.image_id}",
        f"--file={folder.dockerfile}",
        f"--secret=id=env,src={folder.environment}",
        *(f"--label={name}={value}" for name, value in labels.items()),
        *(f"--build-arg={name}={value}" for name, value in sorted(arguments.items())),
        "--",
        str(folder.source),
    ]


def build_environment(settings: Settings, folder: BuildFolder) -> dict[str, str]:
    """The whole environment of buildx: nothing of the worker's own gets there."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder.credentials),
        "DOCKER_HOST": f"unix://{settings.build_socket}",
        "DOCKER_CONFIG": str(folder.credentials),
        "BUILDX_CONFIG": str(folder.credentials / "buildx"),
        # Else it runs git in the folder it builds, with whatever configuration lies there.
        "BUILDX_GIT_INFO": "false",
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
        "SSL_CERT_FILE": str(settings.ca_bundle),
    }


def docker_config(registry: str, login: Login) -> str:
    """Docker's configuration: this build's own access to the registry, and no other."""
    pair = f"{login.user}:{login.password.get_secret_value()}"
    return json.dumps({"auths": {registry: {"auth": base64.b64encode(pair.encode()).decode()}}})


def environment_file(environment: Mapping[str, SecretStr]) -> str:
    """The build's environment as a file for ``.`` of a shell. Raises Invalid for an odd key."""
    lines = []
    for key, value in sorted(environment.items()):
        lines.append(f"export {env_key(key)}={shlex.quote(value.get_secret_value())}\n")
    return "".join(lines)
