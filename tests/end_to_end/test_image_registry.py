"""Images that no release names take no room: their layers are collected, and nobody notices."""

from __future__ import annotations

import asyncio
import secrets
import signal
from typing import Any

import docker
import httpx

from ops.image_registry import FIGURE
from ops.settings import Settings
from ops.stack.programs import figures_folder
from tests.support import apps
from tests.support.platform import Platform
from tests.support.prometheus import Prometheus
from tests.support.user import User

LAYER = 8 * 1024 * 1024


def stored(settings: Settings) -> int:
    """Bytes that the registry keeps."""
    files = (settings.data / "registry").rglob("data")
    return sum(path.stat().st_size for path in files if path.is_file())


def images(settings: Settings) -> str:
    """Names of all images in the engine that runs apps."""
    engine: Any = docker.APIClient(base_url=f"unix://{settings.docker_socket}", version="auto")
    try:
        return " ".join(name for image in engine.images() for name in image["RepoDigests"] or [])
    finally:
        engine.close()


def heavy(text: str) -> dict[str, str | bytes]:
    """An app with a layer of its own that nothing compresses."""
    return apps.hello(text) | {"ballast.bin": secrets.token_bytes(LAYER)}


async def test_layers_of_a_deleted_app_are_collected(
    user: User, stranger: User, platform: Platform
) -> None:
    app, kept = await user.app(heavy("gone")), await stranger.app(heavy("kept"))
    for one in (app, kept):
        assert (await one.deployed())["status"] == "SUCCEEDED"
    before = stored(platform.settings)
    await app.api.delete(f"/api/apps/{app.id}")
    async with asyncio.timeout(60):
        while (await app.api.get(f"/api/apps/{app.id}")).status_code != 404:
            await asyncio.sleep(0.1)
    held = images(platform.settings)
    assert f"app{app.id}@" not in held, "the app's host still has its image"
    assert f"app{kept.id}@" in held

    platform.signal("registry", signal.SIGUSR1)
    async with asyncio.timeout(60):
        while stored(platform.settings) > before - LAYER:
            await asyncio.sleep(0.1)

    # It was deployed while the registry may only have been for reading: it waits, and goes on.
    await kept.push(heavy("kept on"))
    assert (await kept.deployed())["status"] == "SUCCEEDED"
    assert (await kept.get()).text == "kept on"
    back = await kept.ask("rollback")
    assert (await kept.ended(back.json()["id"]))["status"] == "SUCCEEDED"
    assert (await kept.get()).text == "kept"


async def test_an_image_has_a_name_of_its_own(user: User, platform: Platform) -> None:
    """One that is moved to another image would leave the first to be kept for ever."""
    app = await user.app(apps.hello())
    ended = await app.deployed()
    assert ended["status"] == "SUCCEEDED", ended
    repository, _, digest = ended["image"].partition("@")
    root = platform.settings.data / "registry" / "docker/registry/v2/repositories" / repository
    (tag,) = (root / "_manifests" / "tags").iterdir()
    assert tag.name.startswith(f"{ended['commit']}-{ended['id']}-")
    assert (tag / "current" / "link").read_text() == digest


async def test_when_it_was_collected_last_is_a_figure(platform: Platform) -> None:
    stamp = figures_folder(platform.settings) / "registry.prom"
    before = stamp.stat().st_mtime
    platform.signal("registry", signal.SIGUSR1)
    async with asyncio.timeout(60):
        while stamp.stat().st_mtime == before:
            await asyncio.sleep(0.1)
    told = Prometheus(platform.settings)
    await told.until(FIGURE, lambda now: [round(v) > round(before) for _, v in now] == [True])


async def test_the_registry_ends_with_the_process_that_owns_it(platform: Platform) -> None:
    """Two servers at once would each think that they own the folder."""
    platform.kill("registry")
    async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                answer = await client.get(f"http://{platform.settings.registry}/v2/")
                break
            except httpx.TransportError:
                await asyncio.sleep(0.05)
    assert answer.status_code == 401
