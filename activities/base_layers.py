"""Making the layers of base images known in an app's own repository before its first push.

Docker offers the registry to mount a layer only from repositories whose names are most alike the
new one's, which are other people's apps and therefore refused; the whole base image would be sent
again for every app. So this is done by hand, while the build runs. It only saves time: whatever
goes wrong here, the push then uploads.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpx
import structlog

from activities.engine import Login
from ops.plain_http import NO_CERTIFICATES
from ops.settings import Settings

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
SERVICE = "studio-registry"
TIMEOUT = httpx.Timeout(5, connect=2)

log = structlog.get_logger()


def base_reference(settings: Settings, names: Iterable[str]) -> tuple[str, str] | None:
    """``(base/node, sha256:…)`` out of a local image's names: where our registry has it."""
    prefix = f"{settings.registry}/base/"
    for name in names:
        if name.startswith(prefix) and "@" in name:
            repository, _, digest = name.removeprefix(f"{settings.registry}/").partition("@")
            return repository, digest
    return None


async def mount(
    settings: Settings,
    login: Login,
    repository: str,
    bases: Iterable[tuple[str, str]],
    transport: httpx.AsyncBaseTransport | None = None,
) -> None:
    """Mounts what ``repository`` (with its namespace) does not have yet of ``bases``."""
    async with httpx.AsyncClient(
        base_url=f"http://{settings.registry}",
        timeout=TIMEOUT,
        trust_env=False,
        verify=NO_CERTIFICATES,
        transport=transport,
    ) as http:
        for base, digest in bases:
            try:
                await _mount_one(settings, http, login, repository, base, digest)
            except (httpx.HTTPError, KeyError, ValueError) as error:
                log.info("base_layers.not_mounted", base=base, error=str(error))


async def _mount_one(
    settings: Settings,
    http: httpx.AsyncClient,
    login: Login,
    repository: str,
    base: str,
    digest: str,
) -> None:
    http.headers["Authorization"] = (
        f"Bearer {await _token(settings, http, login, repository, base)}"
    )
    answer = await http.get(f"/v2/{base}/manifests/{digest}", headers={"Accept": MANIFEST})
    layers: list[dict[str, Any]] = answer.raise_for_status().json()["layers"]
    if not layers or (await http.head(f"/v2/{repository}/blobs/{layers[-1]['digest']}")).is_success:
        return
    for layer in layers:
        answer = await http.post(
            f"/v2/{repository}/blobs/uploads/", params={"mount": layer["digest"], "from": base}
        )
        answer.raise_for_status()
        if answer.status_code != httpx.codes.CREATED:
            # It opened an upload instead, which nobody will use.
            await http.delete(answer.headers["Location"])


async def _token(
    settings: Settings, http: httpx.AsyncClient, login: Login, repository: str, base: str
) -> str:
    answer = await http.get(
        f"{settings.control_url}/registry/token",
        params={
            "service": SERVICE,
            "scope": [f"repository:{repository}:pull,push", f"repository:{base}:pull"],
        },
        auth=(login.user, login.password.get_secret_value()),
    )
    return str(answer.raise_for_status().json()["token"])
