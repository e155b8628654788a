"""Publishing with the command line: what it prints, what it exits with, what is live afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ops.admin_api import AdminApi
from tests.support import apps
from tests.support.cli import Running, answered, done, studio
from tests.support.platform import Platform
from tests.support.user import App, User, ok


@pytest_asyncio.fixture(scope="module")
async def owner(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[User]:
    async with User.registered(platform.settings, tmp_path_factory.mktemp("owner")) as user:
        yield user


@pytest_asyncio.fixture(scope="module")
async def live(owner: User) -> App:
    app = App(owner, await answered(owner, "create", "shop"))
    ok(await app.api.put(f"/api/apps/{app.id}/env", json={"variables": [variable("one")]}))
    await app.push(apps.says_word())
    await done(owner, "deploy", app.slug)
    return app


@pytest_asyncio.fixture
async def shop(live: App) -> App:
    """An app that is live; its repository holds what can be deployed, whatever the test before
    has left there."""
    dockerfile = live.tree / "Dockerfile"
    if dockerfile.exists():
        dockerfile.unlink()
        await live.push(apps.says_word())
    return live


def variable(word: str) -> dict[str, str]:
    return {"key": "WORD", "value": word}


async def test_from_a_template_to_the_web(user: User) -> None:
    assert "You have no app yet" in await done(user, "apps")
    assert await answered(user, "apps") == []
    said = await done(user, "create", "my page", "--template", "static")
    (app,) = await answered(user, "apps")
    assert f"git clone {app['repo_ssh_url']}" in said
    assert f"studio deploy {app['slug']}" in said

    said = await done(user, "deploy", app["slug"])
    lines = said.splitlines()
    assert any(line.startswith("✓ build") and "runner-101" in line for line in lines), said
    assert lines[-1].startswith("Live after ")
    assert lines[-1].endswith(app["url"])
    page = await App(user, app).get()
    assert page.status_code == 200
    assert "text/html" in page.headers["content-type"]

    row = (await done(user, "apps")).split("\t")
    assert row[1:4] == [app["slug"], "my page", "LIVE"]
    assert (await done(user, "url", "my page")).strip() == app["url"]
    described = await done(user, "status", app["slug"])
    assert "LIVE" in described
    assert app["url"] in described
    assert "✓ retire" in described
    one = await answered(user, "status", app["slug"])
    assert one["latest_deployment"]["id"] == one["live_deployment"]
    assert "yes" in await done(user, "status")
    assert (await answered(user, "status"))["ready"] is True


async def test_only_a_release_that_is_live_is_a_success(owner: User, shop: App) -> None:
    before = await shop.live()
    await shop.push(apps.failing_build())
    said = await studio(owner, "deploy", shop.slug)
    assert said.code == 1
    assert "FAILED at build on runner-101" in said.out
    assert "the compiler is sad" in said.out
    # Its lines came as it was built, and not again with the reason.
    assert "  | " not in said.out
    failed = await studio(owner, "deploy", shop.slug, "--json")
    assert (failed.code, failed.json["status"]) == (1, "FAILED")
    assert failed.json["error"]["what"] in said.out
    assert failed.json["error"]["hint"] in said.out

    again = await studio(owner, "retry", str(failed.json["id"]), "--json")
    assert (again.code, again.json["kind"], again.json["status"]) == (1, "retry", "FAILED")
    log = await done(owner, "logs", "--deployment", str(again.json["id"]))
    assert "the compiler is sad" in log
    told = await answered(owner, "logs", shop.slug, "--deployment", str(again.json["id"]))
    assert [line["text"] for line in told] == log.splitlines()
    assert (await shop.live())["id"] == before["id"]


async def test_a_variable_that_was_missing_is_set_and_the_deployment_retried(
    owner: User, shop: App
) -> None:
    asked = await done(owner, "env", "set", shop.slug, "WORD=two", "OTHER", given="secret\n")
    assert asked.startswith(f"Variables of {shop.slug}: OTHER, WORD.")
    assert "secret" not in asked + await done(owner, "env", "list", shop.slug)
    shown = await done(owner, "env", "list", shop.slug, "--reveal")
    assert shown.splitlines() == ["OTHER\tsecret\t", "WORD\ttwo\t"]
    left = await answered(owner, "env", "unset", shop.slug, "OTHER", "WORD")
    assert left == []
    for words in (("OTHER",), ("=x",), ("a b=x",)):
        refused = await studio(owner, "env", "set", shop.slug, *words)
        assert refused.code == 1, refused
        assert refused.err
    assert await answered(owner, "env", "list", shop.slug) == []

    failed = await studio(owner, "deploy", shop.slug, "--json")
    assert failed.code == 1
    assert failed.json["error"]["stage"] == "health"
    assert "WORD is not set" in failed.json["error"]["log_tail"]
    await answered(owner, "env", "set", shop.slug, "WORD=two")
    retried = await done(owner, "retry", str(failed.json["id"]))
    assert "✓ health" in retried
    assert "build" not in retried
    assert (await shop.get()).text == "two"


async def test_what_ctrl_c_leaves_goes_live_and_can_be_rolled_back(owner: User, shop: App) -> None:
    earlier = await shop.live()
    await shop.push({"more.txt": "another tree, so another image"})
    async with Running.of(owner, "deploy", shop.slug) as deploying:
        await deploying.until("✓ clone")
        left = await deploying.interrupted()
    assert (left.code, left.err) == (130, "")
    (newer,) = await answered(owner, "deployments", shop.slug, "--limit", "1")
    assert f"deployment {newer['id']} goes on" in left.out
    assert f"studio cancel {newer['id']}" in left.out
    assert (await shop.ended(newer["id"]))["status"] == "SUCCEEDED"
    rows = [row.split("\t") for row in (await done(owner, "deployments", shop.slug)).splitlines()]
    assert rows[0][:4] == [str(newer["id"]), "deploy", "SUCCEEDED", "main"]
    assert rows[0][7] == "possible"

    back = await answered(owner, "rollback", shop.slug)
    assert (back["kind"], back["status"]) == ("rollback", "SUCCEEDED")
    assert (await shop.live())["commit"] == earlier["commit"]
    none = await studio(owner, "rollback", shop.slug, str(10**9))
    assert none.code == 1
    assert f"no deployment {10**9}" in none.err


async def test_what_runs_is_cancelled_by_the_name_of_its_app(owner: User, shop: App) -> None:
    before = await shop.live()
    await shop.push(apps.slow_build(60))
    begun = await answered(owner, "deploy", shop.slug, "--detach")
    busy = await studio(owner, "deploy", shop.slug)
    assert busy.code == 1
    assert f"deployment {begun['id']} is still running" in busy.err
    async with Running.of(owner, "logs", "--deployment", str(begun["id"]), "-f") as log:
        await log.until("building 1 of 60")
        said = await done(owner, "cancel", shop.slug)
    assert f"Deployment {begun['id']} is CANCELLED." in said
    assert "Confirmed gone: " in said
    assert "build slot" in said
    for which, why in ((shop.slug, "is running"), (str(begun["id"]), "has ended: CANCELLED")):
        late = await studio(owner, "cancel", which, "--json")
        assert late.code == 1
        assert why in late.json["error"]
    waiting = await answered(owner, "retry", str(begun["id"]), "--detach")
    ended = await answered(owner, "cancel", str(waiting["id"]))
    assert ended["status"] == "CANCELLED"
    assert (await shop.live())["id"] == before["id"]


async def test_a_log_is_followed_over_releases_until_ctrl_c_or_a_stop(
    owner: User, shop: App
) -> None:
    async with (
        Running.of(owner, "logs", "-f", shop.slug, "--tail", "1") as text,
        Running.of(owner, "logs", "-f", shop.slug, "--json") as documents,
    ):
        await _asks_until_seen(shop, text, "/first")
        assert '{"text": "asked /first"}' in await documents.until("/first")
        await answered(owner, "env", "set", shop.slug, "WORD=three")
        await done(owner, "deploy", shop.slug)
        # From its first line on, none of them twice.
        began = await text.until("begun with three")
        assert "begun with" not in began.removesuffix("begun with three\n")
        await _asks_until_seen(shop, text, "/second")
        ended = await documents.interrupted()
        assert (ended.code, ended.err) == (130, "")

        assert "Done." in await done(owner, "stop", shop.slug)
        _, err = await asyncio.wait_for(text.process.communicate(), 20)
        assert text.process.returncode == 1
        assert "the app is not live" in err.decode()
    assert (await studio(owner, "logs", shop.slug)).code == 1
    assert "Live after" in await done(owner, "start", shop.slug)
    assert "begun with three" in await done(owner, "logs", shop.slug)
    last = await answered(owner, "logs", shop.slug, "--tail", "1")
    assert [line["text"].partition(" ")[0] for line in last] == ["asked"]


async def _asks_until_seen(app: App, log: Running, path: str) -> None:
    """Asks once a connection is there: what came before it is not in a log of one line."""
    await log.until("asked")
    await app.get(path)
    await log.until(f"asked {path}")


async def test_hosts_are_shown_to_administrators_only(platform: Platform, owner: User) -> None:
    refused = await studio(owner, "nodes")
    assert refused.code == 1
    assert "for administrators" in refused.err
    admin = AdminApi(platform.settings)
    signed_in = {"STUDIO_TOKEN": admin.api.headers["Authorization"].removeprefix("Bearer ")}
    try:
        as_text = await studio(owner, "nodes", variables=signed_in)
        as_json = await studio(owner, "nodes", "--json", variables=signed_in)
    finally:
        admin.api.close()
    rows = {row.split("\t")[0]: row.split("\t") for row in as_text.out.splitlines()}
    assert rows["runner-101"][1:3] == ["runner", "UP"]
    assert {node["node_id"] for node in as_json.json} == rows.keys()
