"""Input that is wrong or hostile: a clear answer, and nothing lost, hung or leaked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support import apps
from tests.support.platform import Platform
from tests.support.user import App, User, ok


@pytest_asyncio.fixture(scope="module")
async def user(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[User]:
    """One for all: whatever is refused leaves no trace that the next would find."""
    async with User.registered(platform.settings, tmp_path_factory.mktemp("bad")) as user:
        yield user


@pytest.mark.parametrize(
    "name",
    [
        'it\'s "quoted"',
        "a/b/../c",
        "...",
        "🚀 rocket",
        "小店",
        "admin",
        "www",
        "api",
        "-",
        "<script>alert(1)</script>",
    ],
)
async def test_any_readable_name_makes_a_safe_slug(user: User, name: str) -> None:
    made = ok(await user.api.post("/api/apps", json={"name": name}), 201)
    slug = made["slug"]
    assert slug.isascii()
    assert slug.replace("-", "").isalnum()
    assert slug not in {"admin", "www", "api", "studio"}
    assert len(slug) <= 63
    assert ok(await user.api.get(f"/api/apps/{made['id']}"))["name"] == name


@pytest.mark.parametrize("name", ["", "   ", "x" * 300, "a\x00b", "a\nb", "a\x1b[31mb"])
async def test_unreadable_names_are_refused(user: User, name: str) -> None:
    answer = await user.api.post("/api/apps", json={"name": name})
    assert answer.status_code == 422
    assert "name" in answer.text


async def test_the_same_name_twice_gives_two_slugs(user: User, stranger: User) -> None:
    one = ok(await user.api.post("/api/apps", json={"name": "twins"}), 201)
    two = ok(await stranger.api.post("/api/apps", json={"name": "twins"}), 201)
    assert one["slug"] != two["slug"]


@pytest.mark.parametrize(
    "ref", ["--upload-pack=touch /tmp/owned", "-b", "a..b", "a b", "a\x00b", "", "x" * 300, "a~1"]
)
async def test_a_ref_cannot_be_an_option(user: User, ref: str) -> None:
    made = ok(await user.api.post("/api/apps", json={"name": "refs"}), 201)
    answer = await user.api.post(f"/api/apps/{made['id']}/deployments", json={"ref": ref})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("files", "ref", "words"),
    [
        ({"README.md": "hello"}, "no-such-branch", ["no-such-branch"]),
        ({"README.md": "hello"}, "main", ["package.json"]),
        ({"Dockerfile": "FORM node\n"}, "main", ["FROM"]),
        (apps.hello() | {"studio.toml": 'port = "many"'}, "main", ["port"]),
        (apps.hello() | {"studio.toml": "port = ["}, "main", ["studio.toml"]),
        (
            apps.hello() | {"studio.toml": 'health_path = "//evil.example/"'},
            "main",
            ["health_path"],
        ),
        (
            apps.hello() | {"studio.toml": 'health_path = "http://evil.example/"'},
            "main",
            ["health_path"],
        ),
    ],
)
async def test_what_cannot_be_built_is_explained(
    user: User, files: dict[str, str | bytes], ref: str, words: list[str]
) -> None:
    app = await user.app(files)
    ended = await app.deployed(ref=ref)
    assert ended["status"] == "FAILED"
    said = json.dumps(ended["error"])
    assert all(word in said for word in words), said
    assert ended["error"]["hint"] or ended["error"]["log_tail"]


async def test_an_empty_repository_is_explained(user: User) -> None:
    app = App(user, ok(await user.api.post("/api/apps", json={"name": "empty"}), 201))
    ended = await app.deployed()
    assert ended["status"] == "FAILED"
    assert "empty" in ended["error"]["what"]


async def test_a_symlink_out_of_the_tree_leads_nowhere(user: User) -> None:
    app = await user.app(apps.hello())
    (app.tree / "secrets").symlink_to("/etc")
    (app.tree / "studio.toml").symlink_to("/etc/passwd")
    await app.push({})
    ended = await app.deployed()
    assert "root:" not in json.dumps(ended) + await app.log(ended["id"])


async def test_from_another_users_image_is_refused(
    user: User, stranger: User, platform: Platform
) -> None:
    theirs = await user.app(apps.hello("secret recipe"))
    release = await theirs.deployed()
    image = f"{platform.settings.registry}/{release['image']}"
    mine = await stranger.app({"Dockerfile": f"FROM {image}\nRUN cat server.js\n"})
    ended = await mine.deployed()
    assert ended["status"] == "FAILED"
    assert ended["error"]["stage"] == "build"
    assert "secret recipe" not in await mine.log(ended["id"])


async def test_an_image_as_large_as_a_disk_is_refused(user: User, platform: Platform) -> None:
    limit = platform.settings.image_mb
    if limit > 1024:
        pytest.skip("the limit of this platform is too large to try")
    fill = f"RUN head -c {limit}M /dev/zero > /filler\n"
    app = await user.app({"Dockerfile": f"FROM node:24-bookworm-slim\n{fill}"})
    ended = await app.deployed()
    assert ended["status"] == "FAILED", ended
    assert ended["error"]["stage"] == "build"
    assert f"up to {limit} MB" in ended["error"]["what"]


async def test_two_deployments_at_the_same_instant_are_one(user: User) -> None:
    app = await user.app(apps.hello())
    answers = await asyncio.gather(*(app.ask("deployments") for _ in range(5)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [202, 409, 409, 409, 409]
    (accepted,) = [a.json()["id"] for a in answers if a.status_code == 202]
    assert (await app.ended(accepted))["status"] == "SUCCEEDED"


async def test_cancel_of_an_ended_deployment_is_a_409(user: User) -> None:
    app = await user.app(apps.hello())
    ended = await app.deployed()
    answer = await app.api.post(f"/api/deployments/{ended['id']}/cancel")
    assert answer.status_code == 409


async def test_environment_is_encrypted_masked_and_given_to_the_app(
    user: User, platform: Platform
) -> None:
    app = await user.app(apps.shows_environment())
    secret = "hunter2-is-no-password"
    path = f"/api/apps/{app.id}/env"
    put = {"variables": [{"key": "GREETING", "value": secret}]}
    assert secret not in (await app.api.put(path, json=put)).text
    assert secret not in (await app.api.get(path)).text
    assert secret in (await app.api.get(path, params={"reveal": "true"})).text
    ended = await app.deployed()
    assert ended["status"] == "SUCCEEDED", ended
    shown = (await app.get()).json()
    assert shown["env"]["GREETING"] == secret
    assert shown["env"]["PORT"] == "3000"
    assert shown["env"]["MONGODB_URI"].startswith("mongodb://")
    assert shown["uid"] == 1000
    assert "cookie" not in shown["headers"]
    assert secret not in json.dumps(ended) + await app.log(ended["id"])
    for program in platform.programs():
        assert secret not in platform.log(program), program


@pytest.mark.parametrize(
    ("key", "value"),
    [("1ST", "x"), ("A-B", "x"), ("A B", "x"), ("PORT", "1"), ("BIG", "x" * 1_000_000), ("", "x")],
)
async def test_bad_environment_is_refused(user: User, key: str, value: str) -> None:
    made = ok(await user.api.post("/api/apps", json={"name": "env"}), 201)
    answer = await user.api.put(
        f"/api/apps/{made['id']}/env", json={"variables": [{"key": key, "value": value}]}
    )
    assert answer.status_code in (413, 422)


async def test_log_lines_keep_no_control_sequences(user: User) -> None:
    app = await user.app(
        {
            "Dockerfile": "FROM node:24-bookworm-slim\n"
            "RUN printf '\\033]0;owned\\007plain \\033[31mred\\033[0m \\033[2J\\n' && exit 1\n"
        }
    )
    ended = await app.deployed()
    log = await app.log(ended["id"])
    assert "owned\x07" not in log
    assert "\x1b]" not in log
    assert "[2J" not in log.replace("\\033[2J", "")


async def test_delete_during_a_deployment_leaves_nothing(user: User, platform: Platform) -> None:
    app = await user.app(apps.slow_build(60))
    deployment_id = await app.deploy()
    await app.at_stage(deployment_id, "build")
    answer = await app.api.delete(f"/api/apps/{app.id}")
    assert answer.status_code in (202, 204), answer.text
    async with asyncio.timeout(60):
        while (await app.api.get(f"/api/apps/{app.id}")).status_code != 404:
            await asyncio.sleep(0.2)
    builds = platform.settings.node_home("runner-101") / "builds"
    assert not (builds / str(deployment_id)).exists()
