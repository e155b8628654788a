"""BUILD, PUSH and DISCARD_BUILD: from a checkout to an image in the registry, or to nothing at all."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from functools import partial

from temporalio import activity

from activities.base_layers import base_reference, mount
from activities.boundary import heartbeating, in_thread, reports_errors
from activities.build_command import (
    build_argv,
    build_environment,
    docker_config,
    environment_file,
)
from activities.build_failure import explain, shown
from activities.build_folder import BuildFolder, is_pushed_by, local_image, pushed_tag
from activities.build_secrets import RunnerSecrets
from activities.child import end, kill_group, kill_predecessor, spawn
from activities.contracts.base import Confirmed, DeploymentRef
from activities.contracts.runner import (
    BUILD,
    DISCARD_BUILD,
    PUSH,
    BuildInput,
    BuildResult,
    CloneInput,
    PushInput,
    PushResult,
)
from activities.disk import MEGABYTE, Room, until_low
from activities.dockerfile import base_images
from activities.engine import Engine, Login
from activities.orphans import kill_orphans
from activities.source import Cloned, Source, environment_id
from activities.threads import Stop, in_stoppable_thread
from ops.error_codes import ErrorCode
from ops.errors import BuildFailed, PlatformError, SourceError
from ops.logship import LogShipper
from ops.logtext import cleaned_lines
from ops.nodeclient import BuildSecrets
from ops.settings import Settings

LOG_SOURCE = "build"
TAIL = 120
"""Lines of a build that are kept for its failure: what they repeat is left out later."""
CHUNK = 1 << 16


class Build:
    """Builds of one runner, in the build engine that it shares with the others of its host."""

    def __init__(self, settings: Settings, node_id: str, secrets: RunnerSecrets) -> None:
        self._settings = settings
        self._node_id = node_id
        self._secrets = secrets
        self._engine = Engine(settings)
        self._source = Source(settings, node_id, secrets)

    @activity.defn(name=BUILD.name)
    @reports_errors
    async def build(self, given: BuildInput) -> BuildResult:
        async with heartbeating():
            folder = self._folder(given.deployment_id)
            secrets, _ = await asyncio.gather(
                self._secrets.of(given.deployment_id),
                in_thread(self._kill_predecessors, folder),
            )
            env_id = await self._checked_out(given, folder, secrets)
            await in_thread(_write_credentials, self._settings, folder, secrets)
            mounting = asyncio.create_task(self._mount_bases(given, folder, secrets))
            try:
                await self._run(given, folder, env_id)
                await mounting
                image_id = await in_thread(self._keep, given.deployment_id, folder)
            finally:
                mounting.cancel()
                await in_thread(folder.remove_credentials)
            return BuildResult(image_id=image_id)

    @activity.defn(name=PUSH.name)
    @reports_errors
    async def push(self, given: PushInput) -> PushResult:
        async with heartbeating():
            folder = self._folder(given.deployment_id)
            pushed = await in_thread(_read_pushed, folder, given.image_id)
            if pushed is None:
                secrets = await self._secrets.of(given.deployment_id)
                login = Login(secrets.push_user, secrets.push_password)
                pushed = await in_stoppable_thread(
                    lambda stop: self._push(given, folder, login, stop)
                )
            return PushResult(digest=pushed)

    @activity.defn(name=DISCARD_BUILD.name)
    @reports_errors
    async def discard(self, given: DeploymentRef) -> Confirmed:
        async with heartbeating():
            return await in_thread(self._discard, given)

    async def aclose(self) -> None:
        await self._source.aclose()

    # --- build -------------------------------------------------------------------------------

    async def _checked_out(
        self, given: BuildInput, folder: BuildFolder, secrets: BuildSecrets
    ) -> str:
        """Makes sure that the checkout is (still) there; the name of the build's environment."""
        if not await in_thread(folder.cloned.is_file):
            await self._source.check_out(
                CloneInput(
                    deployment_id=given.deployment_id,
                    app_id=given.app_id,
                    user_id=given.user_id,
                    repository=given.repository,
                    ref=given.source.commit,
                    base_path=given.base_path,
                )
            )
        cloned = Cloned.model_validate_json(await in_thread(folder.cloned.read_text))
        env_id = environment_id(given.app_id, secrets)
        if env_id != cloned.env_id:
            raise SourceError(
                "the app's environment was changed while it was being built",
                code=ErrorCode.ENV_CHANGED,
                hint="deploy once more",
            )
        return env_id

    async def _run(self, given: BuildInput, folder: BuildFolder, env_id: str) -> None:
        """Runs buildx and ships what it prints. Ends it, and with it the build's own processes."""
        tail: deque[str] = deque(maxlen=TAIL)
        folder.image_id.unlink(missing_ok=True)
        async with LogShipper(
            self._settings, self._node_id, given.deployment_id, LOG_SOURCE
        ) as shipper:
            process = await spawn(
                build_argv(self._settings, folder, given, env_id),
                env=build_environment(self._settings, folder),
                cwd=folder.recipe,
                pid_file=folder.pid_file,
            )
            filling = asyncio.create_task(self._end_when_disk_is_low(process.pid))
            try:
                async with asyncio.timeout(self._settings.build_seconds):
                    async for line in cleaned_lines(_output(process)):
                        tail.append(line)
                        await shipper.write(line)
                    code = await process.wait()
            except TimeoutError:
                raise BuildFailed(
                    f"the build took longer than {self._settings.build_seconds:g} s",
                    code=ErrorCode.BUILD_TOO_LONG,
                    values={"seconds": self._settings.build_seconds},
                    hint="what does it wait for? the last lines say where it was",
                    log_tail=shown(tail),
                ) from None
            finally:
                filling.cancel()
                # Before the shipper's last words: they may take a while, the kill may not.
                await end(process, folder.pid_file)
        if filling.done() and not filling.cancelled():
            raise BuildFailed(
                "the runner's disk is nearly full, and the build was ended",
                code=ErrorCode.BUILD_DISK,
                hint="does a step write very much? if not, tell an administrator",
                log_tail=shown(tail),
            )
        if code != 0:
            raise await self._failure(list(tail))

    async def _end_when_disk_is_low(self, pid: int) -> None:
        """A step may write as much as it likes; the platform's own records are on this disk too."""
        await until_low(self._settings.data, self._settings.disk_floor_mb)
        kill_group(pid)

    async def _mount_bases(
        self, given: BuildInput, folder: BuildFolder, secrets: BuildSecrets
    ) -> None:
        """Beside the build, so that the push finds the base image's layers in the registry."""
        known = await in_thread(self._bases, folder, given.source.build_args)
        login = Login(secrets.registry_user, secrets.registry_password)
        repository = f"{self._settings.image_namespace}/{given.repository}"
        await mount(self._settings, login, repository, known.values())

    def _bases(
        self, folder: BuildFolder, build_args: Mapping[str, str]
    ) -> dict[str, tuple[str, str]]:
        """The images that the Dockerfile names and our registry has, and where it has them."""
        images = base_images(folder.dockerfile.read_text(), build_args)
        named = {one: base_reference(self._settings, self._engine.names(one)) for one in images}
        return {image: found for image, found in named.items() if found is not None}

    async def _failure(self, tail: list[str]) -> BuildFailed | PlatformError:
        if not await in_thread(self._engine.answers):
            return PlatformError(
                "the build engine went away",
                hint="it is tried again by itself",
                log_tail=shown(tail),
            )
        return explain(tail, str(self._settings.service_address))

    def _keep(self, deployment_id: int, folder: BuildFolder) -> str:
        image_id = folder.image_id.read_text().strip()
        size = self._engine.size(image_id) // MEGABYTE
        if size > self._settings.image_mb:
            raise BuildFailed(
                f"the image has {size} MB; up to {self._settings.image_mb} MB are possible",
                code=ErrorCode.IMAGE_TOO_LARGE,
                values={"size": size, "limit": self._settings.image_mb},
                hint="what is large in it? a second stage can copy only what the app needs",
            )
        repository, _, tag = local_image(self._settings, self._node_id, deployment_id).rpartition(
            ":"
        )
        self._engine.tag(image_id, repository, tag)
        return image_id

    # --- push --------------------------------------------------------------------------------

    def _push(self, given: PushInput, folder: BuildFolder, login: Login, stop: Stop) -> str:
        """Looks at the disk: it is the registry's too, and later the engine's that runs the app."""
        cloned = Cloned.model_validate_json(folder.cloned.read_text())
        bases = self._bases(folder, cloned.result.build_args)
        room = Room(self._node_id, self._settings.disk_floor_mb, self._settings.data)
        room.check(self._engine.size_above(given.image_id, bases))

        def look() -> None:
            stop.check()
            room.watch()

        repository, tag = self._remote_name(given), _tag(given)
        self._engine.tag(given.image_id, repository, tag)
        digest = self._engine.push(repository, tag, login, look)
        written = folder.pushed.with_suffix(".new")
        written.write_text(json.dumps([given.image_id, digest]))
        written.rename(folder.pushed)
        return digest

    def _remote_name(self, given: PushInput) -> str:
        settings = self._settings
        return f"{settings.registry}/{settings.image_namespace}/{given.repository}"

    # --- discard -----------------------------------------------------------------------------

    def _discard(self, given: DeploymentRef) -> Confirmed:
        """No other build may find the image here; the build cache keeps its layers."""
        folder = self._folder(given.deployment_id)
        self._secrets.forget(given.deployment_id)
        self._kill_predecessors(folder)
        self._engine.discard(
            local_image(self._settings, self._node_id, given.deployment_id),
            given.app_id or _app_of(folder),
            partial(is_pushed_by, given.deployment_id),
        )
        folder.remove()
        return Confirmed(
            gone=[
                f"build processes of deployment {given.deployment_id}",
                f"checkout of deployment {given.deployment_id}",
                f"local image of deployment {given.deployment_id}",
            ]
        )

    def _kill_predecessors(self, folder: BuildFolder) -> None:
        kill_predecessor(folder.pid_file)
        kill_orphans(self._settings)

    def _folder(self, deployment_id: int) -> BuildFolder:
        return BuildFolder.of(self._settings, self._node_id, deployment_id)


async def _output(process: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
    assert process.stdout is not None
    while chunk := await process.stdout.read(CHUNK):
        yield chunk


def _write_credentials(settings: Settings, folder: BuildFolder, secrets: BuildSecrets) -> None:
    folder.remove_credentials()
    folder.credentials.mkdir(mode=0o700)
    login = Login(secrets.registry_user, secrets.registry_password)
    folder.docker_config.write_text(docker_config(settings.registry, login))
    folder.environment.write_text(environment_file(secrets.build_env))


def _tag(given: PushInput) -> str:
    return pushed_tag(given.commit, given.deployment_id, given.image_id)


def _app_of(folder: BuildFolder) -> int:
    """Whose checkout it is, also when no record tells; 0 where it never was whole."""
    try:
        return Cloned.model_validate_json(folder.cloned.read_text()).app_id
    except (OSError, ValueError):
        return 0


def _read_pushed(folder: BuildFolder, image_id: str) -> str | None:
    """The digest, when this very image was pushed by an attempt whose answer was lost."""
    try:
        pushed, digest = json.loads(folder.pushed.read_text())
    except FileNotFoundError:
        return None
    return str(digest) if pushed == image_id else None
