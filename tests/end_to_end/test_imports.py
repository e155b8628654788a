"""Apps that begin with source from elsewhere: a public Git server, or an archive."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support import git_server
from tests.support.apps import zipped
from tests.support.cli import answered, studio
from tests.support.platform import Platform
from tests.support.user import App, User, ok, run


@pytest.fixture(scope="module")
def server(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = platform.settings
    if settings.import_ca is None:
        pytest.skip("the platform trusts no Git server of the tests' own")
    folder = tmp_path_factory.mktemp("git")
    git_server.make_trusted(settings.import_ca, folder)
    # That nobody has.
    submodule = b'[submodule "s"]\n\tpath = s\n\turl = https://127.0.0.1/x.git\n'
    git_server.publish(folder, "shop", {"index.html": b"from elsewhere", ".gitmodules": submodule})
    git_server.publish(
        folder, "large", {"blob": os.urandom((settings.import_mb + 5) * 1024 * 1024)}
    )
    (folder / "empty.git").mkdir()
    for words in (("init", "-q", "--bare"), ("update-server-info",)):
        git_server.git(folder / "empty.git", *words)
    with git_server.serving(folder) as url:
        yield url


async def imported(user: User, url: str) -> dict[str, Any]:
    app = ok(await user.api.post("/api/apps", json={"name": "mine", "git_url": url}), 201)
    return await settled(user, app)


async def settled(user: User, app: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while app["importing"]:
            await asyncio.sleep(0.1)
            app = ok(await user.api.get(f"/api/apps/{app['id']}"))
    return app


async def test_a_public_repository_becomes_an_app(
    platform: Platform, user: User, server: str
) -> None:
    app = await imported(user, f"{server}/shop")
    assert app["import_error"] is None
    mine = App(user, app)
    await mine.push({"more.txt": "mine"})
    assert (mine.tree / "index.html").read_text() == "from elsewhere"
    log = await mine.git("log", "--format=%s", "main")
    assert log.split() == ["change", "theirs"]
    left = await run(
        "docker", "-H", f"unix://{platform.settings.docker_socket}", "ps", "-aq",
        "--filter", f"label=studio.platform={platform.settings.platform}",
        "--filter", "label=studio.kind=import",
    )  # fmt: skip
    assert left == ""


async def test_a_public_repository_by_command_line(user: User, server: str) -> None:
    app = await answered(user, "create", "mine", "--git", f"{server}/shop.git")
    mine = App(user, app)
    await mine.push({})
    assert (mine.tree / "index.html").read_text() == "from elsewhere"
    failed = await studio(user, "create", "empty", "--git", f"{server}/empty.git")
    assert failed.code == 1
    assert "the repository is empty" in failed.err
    assert "studio import empty" in failed.err
    again = await studio(user, "import", "empty")
    assert (again.code, again.err) == (1, failed.err)
    refused = await studio(user, "import", "mine")
    assert (refused.code, "no import that has failed" in refused.err) == (1, True)


async def test_what_cannot_be_imported_says_why_and_may_be_tried_again(
    platform: Platform, user: User, server: str
) -> None:
    settings = platform.settings
    wanted = {
        "/empty.git": "the repository is empty",
        "/none.git": "could not be fetched",
        "/redirect/shop.git": "could not be fetched",
        "/hang/shop.git": f"within {settings.import_seconds:g} s",
        "/large.git": f"larger than {settings.import_mb} MB",
    }
    apps = await asyncio.gather(*(imported(user, server + path) for path in wanted))
    for app, (path, words) in zip(apps, wanted.items(), strict=True):
        assert words in (app["import_error"] or ""), path
    again = ok(await user.api.post(f"/api/apps/{apps[0]['id']}/import"), 202)
    assert again["importing"]
    assert (await settled(user, again))["import_error"] == "the repository is empty"


async def test_what_is_not_public_is_not_even_asked(user: User) -> None:
    for url in ("file:///etc", "ext::sh -c id", "https://127.0.0.1/x", "ssh://git@example.org/x"):
        answer = await user.api.post("/api/apps", json={"name": "mine", "git_url": url})
        assert (answer.status_code, "git_url" in answer.text) == (422, True)
    # A name that leads inside is only known for what it is once it was looked up.
    app = await imported(user, "https://2130706433/x.git")
    assert "not on the public internet" in app["import_error"]


async def sent(user: User, content: bytes) -> httpx.Response:
    return await user.api.post("/api/apps/archive", params={"name": "zip"}, content=content)


async def test_an_archive_becomes_an_app_and_a_bad_one_none(user: User) -> None:
    app = ok(await sent(user, zipped({"index.html": "packed", "a/b.txt": "deep"})), 201)
    assert not app["importing"]
    mine = App(user, app)
    await mine.push({})
    assert (mine.tree / "a" / "b.txt").read_text() == "deep"
    for bad in (b"no archive", zipped({"../evil": "x"})):
        assert (await sent(user, bad)).status_code == 422
    async with asyncio.timeout(30):
        while len(ok(await user.api.get("/api/apps"))) > 1:
            await asyncio.sleep(0.2)
