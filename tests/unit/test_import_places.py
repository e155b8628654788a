"""Places for imports on a node: given back whatever happens, and not before leftovers are gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError

from activities.contracts.imports import Imported, ImportInput
from activities.import_spec import PLACES
from activities.imports import Imports
from ops.errors import PlatformError
from ops.nodeclient import NodeClient
from ops.settings import Settings


class EngineFailsInRemoval(Imports):
    """Fetching ends when it is told to; removing what it left fails as long as it is told to."""

    def __init__(self, home: Path) -> None:
        settings = Settings(home=home)
        node = settings.node("workspace-87")
        settings.secrets.mkdir()
        (settings.secrets / f"node-{node.node_id}").write_text("secret")
        super().__init__(settings, node, NodeClient(settings, node.node_id))
        self.go_on = asyncio.Event()
        self.fails = True
        self.began: list[int] = []

    async def _fetched(self, given: ImportInput, place: int) -> Imported:
        self.began.append(given.app_id)
        await self.go_on.wait()
        return Imported(commit="c" * 40)

    def _clear(self, app_id: int) -> None:
        if self.fails:
            raise PlatformError("the engine does not answer")

    def _clear_left(self) -> None:
        self._clear(0)


def given(number: int) -> ImportInput:
    return ImportInput(
        app_id=number, user_id=number, git_url="https://git.example.org/a/b", repository="u7-app9"
    )


async def until_begun(imports: EngineFailsInRemoval, count: int) -> None:
    async with asyncio.timeout(5):
        while len(imports.began) < count:
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.imports.EngineClient", lambda socket: None)


@pytest.fixture
async def imports(tmp_path: Path) -> EngineFailsInRemoval:
    made = EngineFailsInRemoval(tmp_path)
    made.fails = False
    await made.watch()
    return made


async def test_a_place_is_given_back_when_removal_fails_or_it_is_cancelled(
    imports: EngineFailsInRemoval,
) -> None:
    imports.fails = True
    imports.go_on.set()
    for number in range(PLACES):
        with pytest.raises(ApplicationError):
            await imports.import_repository(given(number))
    imports.fails = False
    imports.go_on.clear()
    running = [
        asyncio.ensure_future(imports.import_repository(given(number)))
        for number in range(10, 10 + PLACES + 1)
    ]
    await until_begun(imports, 2 * PLACES)
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    assert len(imports.began) == 2 * PLACES
    imports.go_on.set()
    for number in range(20, 20 + PLACES):
        assert (await imports.import_repository(given(number))).commit == "c" * 40


async def test_nothing_is_fetched_before_what_a_killed_worker_left_is_gone(tmp_path: Path) -> None:
    imports = EngineFailsInRemoval(tmp_path)
    imports.go_on.set()
    asked = asyncio.ensure_future(imports.import_repository(given(1)))
    watching = asyncio.create_task(imports.watch())
    done, _ = await asyncio.wait([asked, watching], timeout=0.2)
    assert not done
    assert not imports.began
    watching.cancel()
    imports.fails = False
    await imports.watch()
    await asked
    assert imports.began == [1]
