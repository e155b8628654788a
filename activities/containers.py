"""Containers of apps on this runtime node. Each call is idempotent by the container's name."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from docker.errors import APIError, ImageNotFound, NotFound
from temporalio import activity

from activities.boundary import heartbeating, in_thread, reports_errors
from activities.container_spec import (
    STOP_SECONDS,
    ContainerSpec,
    Labels,
    app_spec,
    free_address,
    image_name,
)
from activities.contracts.base import Confirmed
from activities.contracts.nodes import ContainerSeen
from activities.contracts.runtime import (
    PRUNE_LOCAL,
    REMOVE_CONTAINER,
    RETIRE,
    START_CONTAINER,
    PruneLocalInput,
    RemoveInput,
    RetireInput,
    Started,
    StartInput,
)
from activities.docker_client import TIMEOUT, EngineClient
from activities.pulls import ensure_image
from activities.routes import Routes
from activities.threads import in_stoppable_thread
from ops.error_codes import ErrorCode
from ops.errors import PlatformError, Unhealthy
from ops.nodeclient import NodeClient
from ops.settings import Node, Settings

LOG_TAIL = 40


class Containers:
    """The engine of one runtime node. No process but its worker has the socket."""

    def __init__(self, settings: Settings, node: Node, client: NodeClient, routes: Routes) -> None:
        self._settings = settings
        self._node = node
        self._client = client
        self._routes = routes
        self._api: Any = EngineClient(settings.docker_socket)
        self._creating = asyncio.Lock()

    @property
    def socket(self) -> Path:
        return self._settings.docker_socket

    def full_name(self, container: str) -> str:
        """A container's name in the engine, with the platform's own prefix."""
        return self._settings.name_prefix + container

    # --- reading -----------------------------------------------------------------------------

    def inspect(self, container: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._api.inspect_container(self.full_name(container))
        except NotFound:
            return None
        return found

    def after_exit(self, container: str) -> dict[str, Any] | None:
        """Like ``inspect``, once the engine has noticed that the container's process ended."""
        with suppress(NotFound, APIError):
            self._api.wait(self.full_name(container), timeout=TIMEOUT)
        return self.inspect(container)

    def log_tail(self, container: str) -> list[str]:
        try:
            raw: bytes = self._api.logs(self.full_name(container), tail=LOG_TAIL)
        except APIError:
            return []
        return raw.decode(errors="replace").splitlines()[-LOG_TAIL:]

    def of_app(self, app_id: int | None = None) -> list[ContainerSeen]:
        """Containers with this platform's and this node's label, of one app or of all."""
        wanted = [
            f"{Labels.PLATFORM}={self._settings.platform}",
            f"{Labels.NODE}={self._node.node_id}",
            f"{Labels.KIND}=app",
        ]
        if app_id is not None:
            wanted.append(f"{Labels.APP}={app_id}")
        found = self._api.containers(all=True, filters={"label": wanted})
        return [self._seen(item) for item in found]

    async def seen_of(self, app_id: int) -> list[ContainerSeen]:
        return await in_thread(self.of_app, app_id)

    def _seen(self, item: dict[str, Any]) -> ContainerSeen:
        name = item["Names"][0].removeprefix("/").removeprefix(self._settings.name_prefix)
        networks = item.get("NetworkSettings", {}).get("Networks", {})
        own = (networks.get(self._node.bridge) or {}).get("IPAMConfig") or {}
        return ContainerSeen(
            name=name,
            app_id=int(item["Labels"][Labels.APP]),
            release_id=int(item["Labels"][Labels.RELEASE]),
            running=item["State"] == "running",
            address=own.get("IPv4Address"),
        )

    @asynccontextmanager
    async def ended(self, container: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set the moment the container's first process ends (pidfd_open(2))."""
        event = asyncio.Event()
        found = await in_thread(self.inspect, container)
        try:
            pidfd = os.pidfd_open(found["State"]["Pid"]) if found else -1
        except OSError:
            pidfd = -1
        if pidfd < 0:
            event.set()
            yield event
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(pidfd, event.set)
        try:
            # Its number may have been another process's by the time it was opened.
            again = await in_thread(self.inspect, container)
            if again is None or not again["State"]["Running"]:
                event.set()
            yield event
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)

    # --- starting ----------------------------------------------------------------------------

    @activity.defn(name=START_CONTAINER.name)
    @reports_errors
    async def start_container(self, given: StartInput) -> Started:
        async with heartbeating():
            route = self._routes.current(given.app_id)
            found = await in_thread(self.inspect, given.container)
            address = await self._create(given) if found is None else self._address(found)
            await in_thread(self.start, given.container)
            return Started(address=address, route=route)

    async def _create(self, given: StartInput) -> str:
        environment_task = asyncio.create_task(self._client.environment(given.deployment_id))
        image = image_name(self._settings, given.release.repository, given.release.digest)
        image_user = await in_stoppable_thread(
            lambda stop: ensure_image(self._api, self._settings, self._node, image, stop)
        )
        environment = await environment_task
        async with self._creating:
            taken = await in_thread(self._taken)
            assert self._node.subnet is not None
            spec = app_spec(
                self._settings,
                self._node,
                given,
                address=free_address(self._node.subnet, taken),
                image_user=image_user,
                environment=environment,
            )
            if await in_thread(self._create_from, spec):
                return spec.address
        # Another attempt was faster, and its container has an address of its own.
        found = await in_thread(self.inspect, given.container)
        if found is None:
            raise PlatformError(
                "the container was removed as it was made", hint="it is tried again by itself"
            )
        return self._address(found)

    def _address(self, found: dict[str, Any]) -> str:
        """The container's own, for its life."""
        own = found["NetworkSettings"]["Networks"][self._node.bridge]["IPAMConfig"]
        return str(own["IPv4Address"])

    def _taken(self) -> list[str]:
        """Addresses of containers, and those that a route leads to, whether or not one is there.

        A route stays when its container is lost: whoever got that address would get the visitors.
        """
        # Containers first: a route may be led to one of them meanwhile.
        of_containers = [seen.address or "" for seen in self.of_app()]
        return of_containers + [seen.target.address for seen in self._routes.all() if seen.target]

    def _create_from(self, spec: ContainerSpec) -> bool:
        """False when there is one of its name."""
        endpoint = self._api.create_endpoint_config(ipv4_address=spec.address)
        try:
            self._api.create_container(
                spec.image,
                name=spec.name,
                user=spec.user,
                environment={k: v.get_secret_value() for k, v in spec.environment.items()},
                labels=spec.labels,
                host_config=self._api.create_host_config(**spec.host_config()),
                networking_config=self._api.create_networking_config({spec.network: endpoint}),
            )
        except APIError as error:
            if error.status_code != 409:
                raise
            return False
        return True

    def start(self, container: str) -> None:
        """Also when it runs. Raises Unhealthy when its command cannot be run."""
        try:
            self._api.start(self.full_name(container))
        except APIError as error:
            if error.status_code in (400, 404, 500) and "exec" in str(error.explanation):
                raise Unhealthy(
                    "the container could not be started",
                    code=ErrorCode.START_FAILED,
                    hint="check the CMD or ENTRYPOINT of the Dockerfile",
                    log_tail=[str(error.explanation)],
                ) from None
            raise

    # --- ending ------------------------------------------------------------------------------

    @activity.defn(name=REMOVE_CONTAINER.name)
    @reports_errors
    async def remove_container(self, given: RemoveInput) -> Confirmed:
        async with heartbeating():
            seconds = STOP_SECONDS if given.served else 0
            await in_thread(self._remove, given.container, stop_seconds=seconds)
        return Confirmed(gone=[f"container {given.container}"])

    def _remove(self, container: str, *, stop_seconds: int = 0) -> None:
        name = self.full_name(container)
        try:
            if stop_seconds:
                self._api.stop(name, timeout=stop_seconds)
            self._api.remove_container(name, force=True, v=True)
        except NotFound:
            return
        except APIError as error:
            # Another call is already removing it: that it is gone is confirmed by the next try.
            if error.status_code != 409 or self.inspect(container) is not None:
                raise

    @activity.defn(name=RETIRE.name)
    @reports_errors
    async def retire(self, given: RetireInput) -> Confirmed:
        async with heartbeating():
            others = [
                seen.name
                for seen in await in_thread(self.of_app, given.app_id)
                if seen.name != given.keep
            ]
            if given.keep is not None:
                await in_thread(
                    self._api.update_container,
                    self.full_name(given.keep),
                    restart_policy={"Name": "unless-stopped"},
                )
            await asyncio.gather(
                *(in_thread(self._remove, name, stop_seconds=STOP_SECONDS) for name in others)
            )
        return Confirmed(gone=[f"container {name}" for name in others])

    @activity.defn(name=PRUNE_LOCAL.name)
    @reports_errors
    async def prune_local(self, given: PruneLocalInput) -> Confirmed:
        async with heartbeating():
            return await in_thread(self._prune, given)

    def _prune(self, given: PruneLocalInput) -> Confirmed:
        kept = {image_name(self._settings, given.repository, digest) for digest in given.keep}
        gone = []
        for name in self._images(given.repository):
            if name in kept:
                continue
            try:
                self._api.remove_image(name)
            except ImageNotFound:
                continue
            except APIError as error:
                if error.status_code == 409:  # a container uses it
                    continue
                raise
            short = name.partition("@")[2][:19]
            gone.append(f"image {given.repository}@{short} on {self._node.node_id}")
        return Confirmed(gone=gone)

    def _images(self, repository: str) -> list[str]:
        """Names, with digests, of this platform's images of a repository (``*``: of all)."""
        pattern = f"{self._settings.registry}/{self._settings.image_namespace}/{repository}"
        found = self._api.images(filters={"reference": pattern})
        return [name for image in found for name in image.get("RepoDigests") or []]

    def repositories(self) -> list[str]:
        """Repositories of which the engine has images."""
        named = (name.partition("@")[0].rpartition("/")[2] for name in self._images("*"))
        return sorted(set(named))
