"""A repository that is full takes no push, says why, and can still be cloned and deployed."""

from __future__ import annotations

import os
import secrets

import pytest

from ops.names import app_repository
from tests.support import apps
from tests.support.platform import Platform
from tests.support.user import User, ok
from tests.support.workspace import OpenApp

MEGABYTE = 1024 * 1024


def fill(platform: Platform, user: User, app_id: int, megabytes: int) -> None:
    """Takes so much of a repository's room, as what was pushed before does."""
    settings = platform.settings
    name = app_repository(user.id, app_id)
    (objects,) = (settings.data / "gitea").glob(f"**/{settings.git_owner}/{name}.git/objects")
    with (objects / "filling").open("wb") as taken:
        os.posix_fallocate(taken.fileno(), 0, megabytes * MEGABYTE)


async def test_a_push_beyond_the_limit_is_refused_in_gits_own_output(
    platform: Platform, user: User
) -> None:
    limit = platform.settings.repository_mb
    app = await user.app(apps.hello("one"))
    fill(platform, user, app.id, limit - 4)
    with pytest.raises(AssertionError, match=f"repository may take {limit} MB, and would take"):
        await app.push({"more.bin": secrets.token_bytes(8 * MEGABYTE)})
    await app.git("reset", "-q", "--hard", "HEAD~1")
    commit = await app.push(apps.hello("two"))
    deployment = await app.deployed()
    assert (deployment["status"], deployment["commit"]) == ("SUCCEEDED", commit), deployment
    assert (await app.get()).text == "two"


async def test_it_is_told_on_the_page_too(platform: Platform, user: User) -> None:
    app = await OpenApp.opened(user)
    fill(platform, user, app.id, platform.settings.repository_mb)
    await app.inside(f"head -c 1M /dev/urandom > /workspace/apps/{app.id}/big.bin")
    ok(await app.post("git/commit", message="large"))
    told = ok(await app.post("git/push"), 409)
    assert told["code"] == "push_refused"
    assert f"repository may take {platform.settings.repository_mb} MB" in told["values"]["why"]
    await user.api.post("/api/workspace/close")
