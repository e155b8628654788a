"""CLONE: an app's files at one commit, how to build them, and the key of the image they make."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping

from pydantic import SecretStr
from temporalio import activity

from activities import dockerfile
from activities.boundary import heartbeating, in_thread, reports_errors
from activities.build_folder import BuildFolder
from activities.build_secrets import RunnerSecrets
from activities.checkout import Checkout, Limits, unpack
from activities.child import kill_predecessor
from activities.contracts.base import Frozen
from activities.contracts.runner import CLONE, CloneInput, CloneResult
from activities.detect import Blueprint, detect
from activities.engine import Engine
from activities.git_remote import GitRemote
from activities.threads import Stop, in_stoppable_thread
from activities.tree import Tree
from ops.nodeclient import BuildSecrets
from ops.settings import Settings

MEGABYTE = 1024 * 1024
FILE_MB = 100
"""No file of a repository may be larger: it is held in memory as a whole."""

KEY_VERSION = 1
"""Changes when equal inputs would make another image than before."""


class Cloned(Frozen):
    """What is kept beside the checkout. ``env_id`` names the build's environment."""

    result: CloneResult
    env_id: str
    app_id: int = 0


class Source:
    """Checkouts of one runner. Each attempt starts from nothing."""

    def __init__(self, settings: Settings, node_id: str, secrets: RunnerSecrets) -> None:
        self._settings = settings
        self._node_id = node_id
        self._secrets = secrets
        self._engine = Engine(settings)
        self._remote = GitRemote()

    @activity.defn(name=CLONE.name)
    @reports_errors
    async def clone(self, given: CloneInput) -> CloneResult:
        async with heartbeating():
            return await self.check_out(given)

    async def check_out(self, given: CloneInput) -> CloneResult:
        folder = BuildFolder.of(self._settings, self._node_id, given.deployment_id)
        secrets, _ = await asyncio.gather(
            self._secrets.ask(given.deployment_id), in_thread(_start_afresh, folder)
        )
        limits = Limits(file=FILE_MB * MEGABYTE, total=self._settings.source_mb * MEGABYTE)
        name = await self._remote.resolve(secrets.git_url, secrets.git_token, given.ref)
        with await asyncio.to_thread(folder.pack.open, "wb") as pack:
            await self._remote.download(
                secrets.git_url,
                secrets.git_token,
                name,
                pack,
                pack_bytes=limits.total,
                file_bytes=limits.file,
            )

        def lay_out(stop: Stop) -> CloneResult:
            checkout = unpack(folder.pack, name, folder.source, limits, stop)
            folder.pack.unlink()
            blueprint = detect(Tree(folder.source))
            env_id = environment_id(given.app_id, secrets)
            result = self._result(given, checkout, blueprint, env_id)
            _write_recipe(folder, blueprint)
            kept = Cloned(result=result, env_id=env_id, app_id=given.app_id)
            folder.cloned.write_text(kept.model_dump_json())
            return result

        return await in_stoppable_thread(lay_out)

    async def aclose(self) -> None:
        await self._remote.aclose()

    def _result(
        self, given: CloneInput, checkout: Checkout, blueprint: Blueprint, env_id: str
    ) -> CloneResult:
        named = dockerfile.base_images(blueprint.dockerfile, blueprint.build_args)
        bases = {image: self._engine.image_id(image) for image in named if image != "scratch"}
        return CloneResult(
            commit=checkout.commit,
            message=checkout.message,
            author=checkout.author,
            recipe=blueprint.recipe,
            port=blueprint.port,
            health_path=blueprint.health_path,
            build_args=blueprint.build_args,
            build_key=build_key(given, checkout.tree, blueprint, bases, env_id),
        )


def build_key(
    given: CloneInput,
    tree: str,
    blueprint: Blueprint,
    bases: Mapping[str, str | None],
    env_id: str,
) -> str:
    """Names everything that the image is made of: two equal keys make one image.

    ``bases`` are the ids of base images in the build engine (None where it has to pull one).
    """
    parts = [
        KEY_VERSION,
        given.app_id,
        given.base_path,
        tree,
        blueprint.recipe.value,
        blueprint.dockerfile,
        blueprint.ignore,
        sorted(blueprint.build_args.items()),
        sorted((name, image or "") for name, image in bases.items()),
        env_id,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def environment_id(app_id: int, secrets: BuildSecrets) -> str:
    """Names the build's environment without telling it; empty when there is none.

    Keyed with the token that every runner reads Git with: all of them get the same name for it.
    """
    if not secrets.build_env:
        return ""
    values = {key: value.get_secret_value() for key, value in secrets.build_env.items()}
    text = json.dumps([app_id, sorted(values.items())])
    return _keyed(secrets.git_token, text)


def _keyed(key: SecretStr, text: str) -> str:
    return hmac.new(key.get_secret_value().encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def _start_afresh(folder: BuildFolder) -> None:
    kill_predecessor(folder.pid_file)
    folder.remove()
    folder.make()


def _write_recipe(folder: BuildFolder, blueprint: Blueprint) -> None:
    folder.recipe.mkdir(mode=0o700)
    folder.dockerfile.write_text(blueprint.dockerfile)
    folder.ignore.write_text(blueprint.ignore)
