"""The machine loses its power in the middle of a deployment; it starts again, and so does all."""

from __future__ import annotations

import asyncio

import pytest

from tests.chaos.strike import END_SECONDS, look, slow_at_every_stage, standing
from tests.support.platform import Platform
from tests.support.user import User
from tests.support.workspace import OpenApp


@pytest.mark.parametrize("stage", ["build", "health", "soak"])
async def test_a_power_cut_in_the_middle(platform: Platform, user: User, stage: str) -> None:
    app = await standing(user)
    workspace = OpenApp(user, app.id)
    await workspace.post("open")
    await workspace.put("kept.txt", "not committed")
    old = await app.live()
    await app.push(slow_at_every_stage("new"))
    deployment_id = await app.deploy()
    await app.at_stage(deployment_id, stage)

    await asyncio.to_thread(platform.power_cut)
    await asyncio.to_thread(platform.up_again)

    ended = await app.ended(deployment_id, seconds=END_SECONDS)
    assert ended["status"] == "SUCCEEDED", ended
    assert await look(platform, app, ended, old) == []
    assert (await workspace.post("open")).status_code == 200
    assert await workspace.text("kept.txt") == "not committed"
    assert await workspace.shell("cat kept.txt") == "not committed"
