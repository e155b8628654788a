"""From the build engine to the registry: on a disk with room, under a name of its own, and nothing
is left of what was given up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import ImageNotFound
from pydantic import SecretStr
from temporalio.exceptions import ApplicationError

from activities import disk
from activities.build import Build
from activities.build_folder import BuildFolder, is_pushed_by, local_image, pushed_tag
from activities.build_secrets import RunnerSecrets
from activities.container_spec import Labels
from activities.contracts.base import DeploymentRef
from activities.contracts.runner import CloneResult, PushInput, Recipe
from activities.source import Cloned
from ops.error_codes import ErrorCode
from ops.errors import NoRoom, from_application_error
from ops.nodeclient import BuildSecrets
from ops.settings import Settings

RUNNER = "runner-101"
SHOP = 7
MB = 1024 * 1024
COMMIT = "c" * 40
IMAGE = "sha256:" + "1" * 64
AGAIN = "sha256:" + "2" * 64


class Engine:
    """As much of the build engine as is used: images by id, each with names, size and layers."""

    def __init__(self) -> None:
        self.names: dict[str, set[str]] = {}
        self.sizes: dict[str, int] = {}
        self.layers: dict[str, list[str]] = {}
        self.apps: dict[str, str] = {}
        self.pushed: list[str] = []
        self.events = 3
        self.closed = False
        self.told = 0

    def add(self, image: str, *names: str, size: int = MB, layers: str = "", app: int = 0) -> None:
        self.names[image] = set(names)
        self.sizes[image] = size
        self.layers[image] = list(layers)
        self.apps[image] = str(app)

    def _find(self, name: str) -> str:
        for image, names in self.names.items():
            if name == image or name in names:
                return image
        raise ImageNotFound("no such image")

    def inspect_image(self, name: str) -> dict[str, Any]:
        image = self._find(name)
        return {
            "Id": image,
            "Size": self.sizes[image],
            "RootFS": {"Layers": self.layers[image]},
            "RepoTags": sorted(self.names[image]),
        }

    def tag(self, image: str, repository: str, tag: str, force: bool) -> None:
        self.names[self._find(image)].add(f"{repository}:{tag}")

    def remove_image(self, name: str, noprune: bool) -> None:
        image = self._find(name)
        self.names[image].discard(name)
        if not self.names[image]:
            del self.names[image]

    def images(self, filters: dict[str, Any]) -> list[dict[str, Any]]:
        app = next(one for one in filters["label"] if one.startswith(Labels.APP)).partition("=")[2]
        return [
            {"Id": image, "RepoTags": sorted(names)}
            for image, names in self.names.items()
            if self.apps[image] == app
        ]

    def push(self, repository: str, tag: str, **how: Any) -> Iterator[dict[str, Any]]:
        self.pushed.append(f"{repository}:{tag}")
        try:
            for _ in range(self.events):
                self.told += 1
                yield {"status": "Pushing"}
            yield {"aux": {"Digest": "sha256:pushed"}}
        finally:
            self.closed = True


class Control:
    """7002, which gives what a build needs."""

    async def build_secrets(self, deployment_id: int) -> BuildSecrets:
        nothing = SecretStr("x")
        return BuildSecrets(
            git_url="u",
            git_token=nothing,
            registry_user="u",
            registry_password=nothing,
            push_user="u",
            push_password=nothing,
        )


class Runner:
    """A runner with a deployment that was built."""

    def __init__(self, home: Path) -> None:
        # No build step of a platform that runs here is taken for one of this.
        self.settings = Settings(home=home, platform="notests")
        self.settings.secrets.mkdir()
        (self.settings.secrets / f"node-{RUNNER}").write_text("token")
        self.engine = Engine()
        control: Any = Control()
        self.build = Build(self.settings, RUNNER, RunnerSecrets(control))
        for engine in (self.build._engine, self.build._source._engine):
            engine.__dict__["_api"] = self.engine

    def has_built(
        self, deployment_id: int, image: str = IMAGE, *, size: int = MB, layers: str = ""
    ) -> None:
        folder = self.folder(deployment_id)
        folder.recipe.mkdir(parents=True)
        folder.dockerfile.write_text("FROM node:24\nCOPY . .\n")
        result = CloneResult(
            commit=COMMIT,
            message="m",
            author="a",
            recipe=Recipe.DOCKERFILE,
            port=3000,
            health_path="/",
            build_args={},
            build_key="key",
        )
        kept = Cloned(result=result, env_id="", app_id=SHOP)
        folder.cloned.write_text(kept.model_dump_json())
        self.engine.add(image, self.local(deployment_id), size=size, layers=layers, app=SHOP)

    def folder(self, deployment_id: int) -> BuildFolder:
        return BuildFolder.of(self.settings, RUNNER, deployment_id)

    def local(self, deployment_id: int) -> str:
        return local_image(self.settings, RUNNER, deployment_id)

    @property
    def remote(self) -> str:
        return f"{self.settings.registry}/{self.settings.image_namespace}/u1-app{SHOP}"

    async def push(self, deployment_id: int, image: str = IMAGE) -> str:
        given = PushInput(
            deployment_id=deployment_id,
            app_id=SHOP,
            repository=f"u1-app{SHOP}",
            commit=COMMIT,
            image_id=image,
        )
        return (await self.build.push(given)).digest

    async def discard(self, deployment_id: int, app_id: int = SHOP) -> None:
        await self.build.discard(DeploymentRef(deployment_id=deployment_id, app_id=app_id))

    async def refused(self, deployment_id: int) -> ApplicationError:
        with pytest.raises(ApplicationError) as refused:
            await self.push(deployment_id)
        return refused.value


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    free_mb(monkeypatch, 10**6)
    return Runner(tmp_path)


def free_mb(monkeypatch: pytest.MonkeyPatch, *megabytes: int) -> None:
    """What is free at each look; the last one stays."""
    left = list(megabytes)
    monkeypatch.setattr(disk, "free", lambda *_: (left.pop(0) if left[1:] else left[0]) * MB)


# --- room on the disk ------------------------------------------------------------------------


async def test_an_image_that_would_fill_the_disk_is_not_pushed(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.has_built(1, size=500 * MB)
    free_mb(monkeypatch, runner.settings.disk_floor_mb + 499)
    error = await runner.refused(1)
    assert (error.type, error.non_retryable) == (NoRoom.__name__, True)
    told = from_application_error(error)
    assert told.code is ErrorCode.NO_ROOM_FOR_IMAGE
    assert told.values == {"node": RUNNER, "free": 2547, "needed": 2548}
    assert runner.engine.pushed == []
    free_mb(monkeypatch, runner.settings.disk_floor_mb + 500)
    assert await runner.push(1) == "sha256:pushed"


async def test_a_base_image_that_the_registry_has_takes_no_room_again(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.has_built(1, size=500 * MB, layers="abc")
    base = (f"{runner.settings.registry}/base/node@sha256:1", "node:24")
    free_mb(monkeypatch, runner.settings.disk_floor_mb + 100)
    runner.engine.add("sha256:other", *base, size=400 * MB, layers="ax")
    assert (await runner.refused(1)).type == NoRoom.__name__
    runner.engine.add("sha256:other", "node:24", size=400 * MB, layers="ab")
    assert (await runner.refused(1)).type == NoRoom.__name__
    runner.engine.add("sha256:other", *base, size=400 * MB, layers="ab")
    assert await runner.push(1) == "sha256:pushed"


async def test_a_push_ends_when_the_disk_fills_meanwhile(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor = runner.settings.disk_floor_mb
    monkeypatch.setattr(disk, "LOOK_SECONDS", 0)
    free_mb(monkeypatch, floor + 100, floor + 1, floor - 1)
    runner.has_built(1)
    runner.engine.events = 1000
    assert (await runner.refused(1)).type == NoRoom.__name__
    assert runner.engine.told == 2
    assert runner.engine.closed


def test_a_loop_may_ask_as_often_as_it_likes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def free(*folders: Path) -> int:
        nonlocal looks
        looks += 1
        return 10**12

    monkeypatch.setattr(disk, "free", free)
    room = disk.Room(RUNNER, 1, tmp_path)
    for _ in range(1000):
        room.watch()
    assert looks == 1


# --- its name --------------------------------------------------------------------------------


async def test_no_two_images_of_a_commit_have_one_name(runner: Runner) -> None:
    """Not even of one deployment, whose first runner was lost after it had pushed."""
    runner.has_built(1, IMAGE)
    await runner.push(1, IMAGE)
    runner.folder(1).remove()
    runner.has_built(1, AGAIN)
    await runner.push(1, AGAIN)
    runner.has_built(2, IMAGE)
    await runner.push(2, IMAGE)
    assert len(set(runner.engine.pushed)) == 3
    assert all(name.startswith(f"{runner.remote}:{COMMIT}-") for name in runner.engine.pushed)
    for deployment_id in (1, 2):
        await runner.discard(deployment_id)
    assert runner.engine.names == {}, "no other build may find them"


def test_a_name_is_one_that_registries_take() -> None:
    tag = pushed_tag(COMMIT, 2**63 - 1, IMAGE)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", tag)


def test_a_name_tells_whose_it_is() -> None:
    tag = pushed_tag(COMMIT, 12, IMAGE)
    assert is_pushed_by(12, tag)
    assert not is_pushed_by(1, tag)
    assert not is_pushed_by(2, tag)
    assert not is_pushed_by(12, "latest")


async def test_what_a_later_deployment_pushes_stays(runner: Runner) -> None:
    """What a lost runner had left is removed once it is back, while the app is deployed again."""
    runner.has_built(1, IMAGE)
    runner.has_built(2, AGAIN)
    for deployment_id, image in ((1, IMAGE), (2, AGAIN)):
        await runner.push(deployment_id, image)
    await runner.discard(1)
    assert set(runner.engine.names) == {AGAIN}
    assert any(name.startswith(runner.remote) for name in runner.engine.names[AGAIN])


# --- what is given up ------------------------------------------------------------------------


@pytest.mark.parametrize("app_id", [SHOP, 0])
async def test_nothing_is_left_of_a_push_that_was_given_up(runner: Runner, app_id: int) -> None:
    """Also where the app was deleted before its runner came back, and no record names it."""
    runner.has_built(1)
    runner.engine.tag(IMAGE, runner.remote, pushed_tag(COMMIT, 1, IMAGE), force=True)
    runner.engine.add(AGAIN, app=SHOP)
    runner.engine.add("sha256:else", app=SHOP + 1)
    await runner.discard(1, app_id)
    assert set(runner.engine.names) == {"sha256:else"}
    assert not runner.folder(1).root.exists()


async def test_a_checkout_that_never_was_whole_tells_no_app(runner: Runner) -> None:
    runner.folder(1).make()
    runner.engine.add("sha256:else", app=SHOP)
    await runner.discard(1, 0)
    assert set(runner.engine.names) == {"sha256:else"}
    assert not runner.folder(1).root.exists()
