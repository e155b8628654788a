"""Workspaces on this node: the disk, the key's agent and the container of a user, and the clones.

Each call is idempotent: what is already there, or already gone, is success.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from contextlib import suppress
from typing import Any

import structlog
from docker.errors import APIError, ImageNotFound, NotFound
from temporalio import activity

from activities.boundary import all_ended, heartbeating, in_thread, reports_errors
from activities.container_spec import STOP_SECONDS, Labels
from activities.contracts.base import Confirmed
from activities.contracts.workspace import (
    ENSURE_WORKSPACE,
    REMOVE_WORKSPACE,
    STOP_WORKSPACE,
    EnsureWorkspaceInput,
    WorkspaceRef,
    WorkspaceUp,
)
from activities.docker_client import EngineClient
from activities.run_records import run_records
from activities.workspace_agent import Agents
from activities.workspace_disk import Disks
from activities.workspace_spec import (
    WorkspaceSpec,
    git_identity,
    must_be_replaced,
    workspace_spec,
)
from ops.error_codes import ErrorCode
from ops.errors import NodeUnavailable, StudioError
from ops.names import workspace_container
from ops.nodeclient import NodeClient
from ops.settings import Node, Settings

WATCH_SECONDS = 10.0
#: What is named after a user: the disk's image, its mount and its draft, an agent, records of runs.
OF_USER = re.compile(r"\.?u-([1-9][0-9]{0,17})(?:\.img|\.new|\.pid)?")

log = structlog.get_logger()


class Workspaces:
    """What one node holds of its users. No process but its worker has the engine's socket."""

    def __init__(self, settings: Settings, node: Node, client: NodeClient) -> None:
        home = settings.node_home(node.node_id)
        self._settings = settings
        self._node = node
        self._client = client
        self.disks = Disks(home, settings.workspace_disk_mb)
        self.agents = Agents(home)
        self._api: Any = EngineClient(settings.docker_socket)

    # --- opening -----------------------------------------------------------------------------

    @activity.defn(name=ENSURE_WORKSPACE.name)
    @reports_errors
    async def ensure_workspace(self, given: EnsureWorkspaceInput) -> WorkspaceUp:
        async with heartbeating():
            # Only a container that starts needs the disk: until then it is made meanwhile.
            made = asyncio.ensure_future(in_thread(self._made_container, given))
            await all_ended(made, self._ensure_home(given.user_id))
            spec, runs = made.result()
            if not runs:
                await in_thread(self._api.start, spec.name)
            return WorkspaceUp(
                container=workspace_container(given.user_id), address=str(spec.address)
            )

    async def _ensure_home(self, user_id: int) -> None:
        """The disk and the agent; the key is only asked for when one of them has to be made."""
        ready = await in_thread(self.agents.is_ready, user_id)
        if ready and self.disks.exists(user_id):
            await in_thread(self.disks.ensure, user_id, "")
            return
        key = await self._client.workspace_key(user_id)
        await all_ended(
            in_thread(self.disks.ensure, user_id, git_identity(key.email)),
            in_thread(self.agents.ensure, user_id, key.private_key),
        )

    def _made_container(self, given: EnsureWorkspaceInput) -> tuple[WorkspaceSpec, bool]:
        """And whether it runs."""
        spec = self._spec(given)
        found = self._inspect(spec.name)
        if found is not None and must_be_replaced(
            found["Config"]["Labels"], found["State"]["Running"], spec
        ):
            self._remove_container(spec.name)
            found = None
        if found is None:
            self._create(spec)
            return spec, False
        return spec, bool(found["State"]["Running"])

    def _spec(self, given: EnsureWorkspaceInput) -> WorkspaceSpec:
        try:
            image = self._api.inspect_image(self._settings.workspace_image)
        except ImageNotFound:
            raise NodeUnavailable(
                "the image of workspaces is not on this node yet",
                code=ErrorCode.WORKSPACE_IMAGE_AWAY,
                hint="ops/up brings it",
            ) from None
        code_server = self._settings.tools_bin / "code-server"
        return workspace_spec(
            self._settings,
            self._node,
            given,
            image_id=image["Id"],
            disk=self.disks.path(given.user_id),
            agent=self.agents.folder(given.user_id),
            mongo_server=(self._settings.tools_bin / "ferretdb").resolve(),
            code_server=code_server.resolve() if code_server.exists() else None,
        )

    def _create(self, spec: WorkspaceSpec) -> None:
        endpoint = self._api.create_endpoint_config(ipv4_address=spec.address)
        try:
            self._api.create_container(
                spec.image,
                command=spec.command,
                name=spec.name,
                user=spec.user,
                environment={k: v.get_secret_value() for k, v in spec.environment.items()},
                labels=spec.all_labels(),
                host_config=self._api.create_host_config(**spec.host_config()),
                networking_config=self._api.create_networking_config({spec.network: endpoint}),
            )
        except APIError as error:
            # An attempt that timed out has made it meanwhile.
            if error.status_code != 409:
                raise

    def _inspect(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._api.inspect_container(name)
        except NotFound:
            return None
        return found

    def _name(self, user_id: int) -> str:
        return self._settings.name_prefix + workspace_container(user_id)

    # --- closing -----------------------------------------------------------------------------

    @activity.defn(name=STOP_WORKSPACE.name)
    @reports_errors
    async def stop_workspace(self, given: WorkspaceRef) -> Confirmed:
        """The container and all that lies on the disk are kept."""
        async with heartbeating():
            gone = await in_thread(self._stop, given.user_id)
        return Confirmed(gone=gone)

    def _stop(self, user_id: int) -> list[str]:
        with suppress(NotFound):
            self._api.stop(self._name(user_id), timeout=STOP_SECONDS)
        self.agents.end(user_id)
        self.disks.release(user_id)
        return [f"what ran in {workspace_container(user_id)}"]

    @activity.defn(name=REMOVE_WORKSPACE.name)
    @reports_errors
    async def remove_workspace(self, given: WorkspaceRef) -> Confirmed:
        async with heartbeating():
            gone = await in_thread(self._remove, given.user_id)
        return Confirmed(gone=gone)

    def _remove(self, user_id: int) -> list[str]:
        for name in {self._name(user_id), *self._containers(user_id)}:
            self._remove_container(name)
        self.agents.remove(user_id)
        self.disks.remove(user_id)
        runs = run_records(self._settings, self._node) / f"u-{user_id}"
        with suppress(FileNotFoundError):
            shutil.rmtree(runs)
        return [
            f"container {workspace_container(user_id)}",
            f"disk of user {user_id} on {self._node.node_id}",
        ]

    def _remove_container(self, name: str) -> None:
        try:
            self._api.remove_container(name, force=True, v=True)
        except NotFound:
            return
        except APIError as error:
            # Another call is already removing it: that it is gone is confirmed by the next try.
            if error.status_code != 409 or self._inspect(name) is not None:
                raise

    # --- what is here ------------------------------------------------------------------------

    def running(self) -> list[int]:
        """Users whose container runs here."""
        return self._users(stopped_too=False)

    def _users(self, *, stopped_too: bool) -> list[int]:
        found = self._api.containers(all=stopped_too, filters={"label": self._labels()})
        return sorted(int(item["Labels"][Labels.USER]) for item in found)

    def _containers(self, user_id: int) -> list[str]:
        """Whatever name they have."""
        labels = [*self._labels(), f"{Labels.USER}={user_id}"]
        found = self._api.containers(all=True, filters={"label": labels})
        return [str(item["Id"]) for item in found]

    def _labels(self) -> list[str]:
        """What every workspace of this node is marked with, and nothing of another."""
        return [
            f"{Labels.PLATFORM}={self._settings.platform}",
            f"{Labels.NODE}={self._node.node_id}",
            f"{Labels.KIND}=workspace",
        ]

    def held(self) -> list[int]:
        """Users of whom anything is here, whether it runs or not."""
        folders = (self.disks.folder, self.agents.home, run_records(self._settings, self._node))
        names = (path.name for folder in folders if folder.is_dir() for path in folder.iterdir())
        of_files = {int(match[1]) for name in names if (match := OF_USER.fullmatch(name))}
        return sorted(of_files | set(self._users(stopped_too=True)))

    async def watch(self) -> None:
        """Keeps every open workspace's agent alive: nothing else would start one that was killed."""
        while True:
            try:
                for user_id in await in_thread(self.running):
                    if not await in_thread(self.agents.is_ready, user_id):
                        key = await self._client.workspace_key(user_id)
                        await in_thread(self.agents.ensure, user_id, key.private_key)
                        log.info("workspace.agent_started", user=user_id)
            except (StudioError, APIError, OSError) as error:
                log.warning("workspace.watch", error=str(error))
            await asyncio.sleep(WATCH_SECONDS)
