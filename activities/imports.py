"""Fetching the first source of an app, in a container that is thrown away afterwards."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import structlog
from docker.errors import APIError, ImageNotFound, NotFound
from temporalio import activity

from activities.boundary import heartbeating, in_thread, reports_errors
from activities.container_spec import Labels
from activities.contracts.imports import IMPORT_REPOSITORY, Imported, ImportInput
from activities.docker_client import EngineClient
from activities.import_spec import (
    KIND,
    PLACES,
    ImportSpec,
    explained,
    import_spec,
    public_address,
    whole_seconds,
)
from activities.workspace_agent import Agents
from ops.error_codes import ErrorCode
from ops.errors import Invalid, NodeUnavailable, PlatformError, StudioError
from ops.nodeclient import NodeClient
from ops.settings import Node, Settings

log = structlog.get_logger()
POLL_SECONDS = 0.1
WATCH_SECONDS = 5.0
GRACE_SECONDS = 15.0
LAST_LINES = 20


class Imports:
    """At most ``PLACES`` at once on one node; more wait."""

    def __init__(self, settings: Settings, node: Node, client: NodeClient) -> None:
        self._settings = settings
        self._node = node
        self._client = client
        self._agents = Agents(settings.node_home(node.node_id) / "imports")
        self._api: Any = EngineClient(settings.docker_socket)
        self._free: asyncio.Queue[int] = asyncio.Queue()
        #: Set once what a killed worker left is gone; no import begins before that.
        self._cleared = asyncio.Event()
        self._of_user: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        for place in range(PLACES):
            self._free.put_nowait(place)

    @activity.defn(name=IMPORT_REPOSITORY.name)
    @reports_errors
    async def import_repository(self, given: ImportInput) -> Imported:
        """Raises Invalid, in words for the one who named the address."""
        async with heartbeating():
            # One of each user: two slow servers of one person do not keep everybody waiting.
            own = self._of_user.setdefault(given.user_id, asyncio.Lock())
            await self._cleared.wait()
            async with own:
                place = await self._free.get()
                try:
                    return await self._fetched(given, place)
                finally:
                    try:
                        await asyncio.shield(in_thread(self._clear, given.app_id))
                    finally:
                        self._free.put_nowait(place)

    async def watch(self) -> None:
        """Removes what a killed worker left, once; an engine that is away is waited for."""
        while not self._cleared.is_set():
            try:
                await in_thread(self._clear_left)
                self._cleared.set()
            except (StudioError, APIError, OSError) as error:
                log.warning("imports.watch", error=str(error))
                await asyncio.sleep(WATCH_SECONDS)

    async def _fetched(self, given: ImportInput, place: int) -> Imported:
        host = urlsplit(given.git_url).hostname or ""
        address = public_address(await in_thread(_resolved, host), host)
        key = await self._client.workspace_key(given.user_id)
        await in_thread(self._agents.ensure, given.app_id, key.private_key)
        spec = import_spec(
            self._settings,
            self._node,
            given,
            image_id=await in_thread(self._image),
            agent=self._agents.folder(given.app_id),
            place=place,
            address=address,
        )
        await in_thread(self._start, spec)
        code = await self._ended(spec.name)
        said = await in_thread(self._said, spec.name)
        if code != 0:
            raise explained(self._settings, code, said)
        commit = said[-1] if said else ""
        if not re.fullmatch(r"[0-9a-f]{40}", commit):
            raise Invalid(
                "the repository could not be read",
                code=ErrorCode.IMPORT_UNREADABLE,
                field="git_url",
            )
        return Imported(commit=commit)

    def _image(self) -> str:
        trusted = self._settings.import_ca
        if trusted is not None and not trusted.is_file():
            raise PlatformError(f"there is no file {trusted}", hint="see STUDIO_IMPORT_CA")
        try:
            return str(self._api.inspect_image(self._settings.workspace_image)["Id"])
        except ImageNotFound:
            raise NodeUnavailable(
                "the image of workspaces is not on this node yet",
                code=ErrorCode.WORKSPACE_IMAGE_AWAY,
                hint="ops/up brings it",
            ) from None

    def _start(self, spec: ImportSpec) -> None:
        endpoint = self._api.create_endpoint_config(ipv4_address=spec.address)
        made = self._api.create_container(
            spec.image,
            command=spec.command,
            name=spec.name,
            user=spec.user,
            working_dir="/",
            labels=spec.labels,
            host_config=self._api.create_host_config(**spec.host_config()),
            networking_config=self._api.create_networking_config({spec.network: endpoint}),
        )
        self._api.start(made["Id"])

    async def _ended(self, name: str) -> int:
        """The exit code. The container limits itself; this is for one that was frozen."""
        limit = whole_seconds(self._settings) + GRACE_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while True:
                    state = (await in_thread(self._api.inspect_container, name))["State"]
                    if not state["Running"]:
                        return int(state["ExitCode"])
                    await asyncio.sleep(POLL_SECONDS)
        return -1

    def _said(self, name: str) -> list[str]:
        output: bytes = self._api.logs(name, stdout=True, stderr=True, tail=LAST_LINES)
        return output.decode(errors="replace").splitlines()

    def _clear(self, app_id: int) -> None:
        for container in self._containers(f"{Labels.APP}={app_id}"):
            self._remove(container["Id"])
        self._agents.remove(app_id)

    def _clear_left(self) -> None:
        containers = {int(each["Labels"][Labels.APP]) for each in self._containers()}
        for app_id in containers.union(self._agents.known()):
            self._clear(app_id)

    def _containers(self, *labels: str) -> list[dict[str, Any]]:
        wanted = [
            f"{Labels.PLATFORM}={self._settings.platform}",
            f"{Labels.NODE}={self._node.node_id}",
            f"{Labels.KIND}={KIND}",
            *labels,
        ]
        found: list[dict[str, Any]] = self._api.containers(all=True, filters={"label": wanted})
        return found

    def _remove(self, container: str) -> None:
        with suppress(NotFound):
            try:
                self._api.remove_container(container, force=True, v=True)
            except APIError as error:
                # Another call is already removing it.
                if error.status_code != 409:
                    raise


def _resolved(host: str) -> list[str]:
    """IPv4 and IPv6 addresses of a name; none when there is no such name."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return sorted({str(info[4][0]) for info in found})
