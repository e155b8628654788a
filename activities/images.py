"""Images in the registry: deleted by digest, and only when no release's record names them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from sqlmodel import col, select, update
from temporalio import activity

from activities.boundary import reports_errors
from activities.contracts.apps import DELETE_APP_IMAGES, AppThings
from activities.contracts.base import Confirmed
from activities.contracts.servers import (
    DELETE_IMAGE,
    DELETE_UNNAMED_IMAGES,
    DeleteImageInput,
    UnnamedImagesInput,
)
from ops.db.session import Database
from ops.db.tables import Deployment
from ops.errors import Conflict, PlatformError
from ops.plain_http import NO_CERTIFICATES
from ops.settings import Settings, read_secret

MANIFESTS = ", ".join(
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    )
)
TIMEOUT = httpx.Timeout(10.0, connect=3.0)


class Images:
    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    @activity.defn(name=DELETE_IMAGE.name)
    @reports_errors
    async def delete_image(self, given: DeleteImageInput) -> Confirmed:
        """Raises Conflict while a release that can be started names the image."""
        await self._refuse_named(given)
        async with self._repository(given.repository) as registry:
            await registry.delete(given.digest)
        await self._forget(given)
        return Confirmed(gone=[f"image {given.repository}@{given.digest[:19]}"])

    @activity.defn(name=DELETE_UNNAMED_IMAGES.name)
    @reports_errors
    async def delete_unnamed_images(self, given: UnnamedImagesInput) -> Confirmed:
        """What a push has left that was cancelled, or lost its runner, before it was recorded."""
        gone = []
        async with self._repository(given.repository) as registry:
            for digest in await registry.tagged() - await self._known(given.app_id):
                await registry.delete(digest)
                gone.append(f"image {given.repository}@{digest[:19]}")
        return Confirmed(gone=gone)

    @activity.defn(name=DELETE_APP_IMAGES.name)
    @reports_errors
    async def delete_app_images(self, things: AppThings) -> Confirmed:
        """Everything under the app's name: what is tagged, and what the records know."""
        digests = await self._known(things.app_id)
        async with self._repository(things.repository) as registry:
            for digest in sorted(digests | await registry.tagged()):
                await registry.delete(digest)
        return Confirmed(gone=[f"images of {things.repository}"])

    async def _known(self, app_id: int) -> set[str]:
        """The digests that an app's records name."""
        known = select(Deployment.digest).where(
            Deployment.app_id == app_id, col(Deployment.digest).is_not(None)
        )
        async with self._database.session() as session:
            return {digest for digest in await session.exec(known) if digest}

    async def _refuse_named(self, given: DeleteImageInput) -> None:
        naming = select(Deployment.id).where(
            Deployment.app_id == given.app_id,
            Deployment.digest == given.digest,
            col(Deployment.image_gone).is_(False),
        )
        async with self._database.session() as session:
            named = (await session.exec(naming)).first()
        if named is not None:
            raise Conflict(f"the image is still that of deployment {named}")

    async def _forget(self, given: DeleteImageInput) -> None:
        """Confirmed gone: pruning does not ask for it again."""
        async with self._database.session() as session:
            await session.exec(
                update(Deployment)
                .where(
                    col(Deployment.app_id) == given.app_id,
                    col(Deployment.digest) == given.digest,
                    col(Deployment.image_gone).is_(True),
                )
                .values(digest=None, build_key=None)
            )

    @asynccontextmanager
    async def _repository(self, repository: str) -> AsyncIterator[_Repository]:
        name = f"{self._settings.image_namespace}/{repository}"
        async with httpx.AsyncClient(
            timeout=TIMEOUT, trust_env=False, verify=NO_CERTIFICATES
        ) as client:
            try:
                token = await self._token(client, name)
                client.headers["Authorization"] = f"Bearer {token}"
                yield _Repository(client, f"http://{self._settings.registry}/v2/{name}")
            except httpx.TransportError as error:
                raise PlatformError(
                    "the image registry does not answer", hint="the step is tried again"
                ) from error

    async def _token(self, client: httpx.AsyncClient, name: str) -> str:
        answer = await client.get(
            f"{self._settings.control_url}/registry/token",
            params={"service": "studio-registry", "scope": f"repository:{name}:delete,pull"},
            auth=("control", read_secret(self._settings, "control-token").get_secret_value()),
        )
        if not answer.is_success:
            raise PlatformError(f"no registry token was given ({answer.status_code})")
        return str(answer.json()["token"])


class _Repository:
    """One repository by the registry's HTTP API; "not there" is success."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url

    async def tagged(self) -> set[str]:
        """The digests that have a tag."""
        answer = await self._call("GET", "/tags/list")
        tags = [] if answer.status_code == 404 else list(answer.json().get("tags") or [])
        found = [await self.digest(tag) for tag in tags]
        return {digest for digest in found if digest is not None}

    async def digest(self, tag: str) -> str | None:
        answer = await self._call("HEAD", f"/manifests/{tag}")
        found: str | None = answer.headers.get("Docker-Content-Digest")
        return found

    async def delete(self, digest: str) -> None:
        await self._call("DELETE", f"/manifests/{digest}")

    async def _call(self, method: str, path: str) -> httpx.Response:
        answer = await self._client.request(method, self._url + path, headers={"Accept": MANIFESTS})
        if not answer.is_success and answer.status_code != 404:
            raise PlatformError(f"the image registry answered {answer.status_code} to {method}")
        return answer
