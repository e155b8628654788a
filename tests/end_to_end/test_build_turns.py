"""Build slots are given in turns: a person's many builds do not keep another's one waiting."""

from __future__ import annotations

import asyncio

from tests.support.nodes import until
from tests.support.platform import Platform
from tests.support.user import App, User

WAITING = 4


async def begun(app: App, deployment_id: int) -> str | None:
    """When a slot was found for it."""
    stages = (await app.deployment(deployment_id))["stages"]
    return next((stage["started_at"] for stage in stages if stage["name"] == "clone"), None)


async def test_one_build_overtakes_those_of_who_has_many(
    user: User, stranger: User, platform: Platform
) -> None:
    step = "FROM node:24-bookworm-slim\nRUN sleep 2 && exit {}\n"
    slots = platform.settings.build_slots
    many = [
        await user.app({"Dockerfile": step.format(number + 1)}, name=f"app {number}")
        for number in range(slots + WAITING)
    ]
    other = await stranger.app({"Dockerfile": step.format(99)})
    asked = [await app.deploy() for app in many]

    async def slots_are_taken() -> bool:
        times = [await begun(app, which) for app, which in zip(many, asked, strict=True)]
        return len(list(filter(None, times))) == slots

    await until(slots_are_taken, 30, "every slot is taken")
    ended = await other.deployed()
    assert ended["error"]["stage"] == "build", ended
    await asyncio.gather(*(app.ended(which) for app, which in zip(many, asked, strict=True)))
    its_turn = await begun(other, ended["id"])
    assert its_turn is not None
    times = [await begun(app, which) or "" for app, which in zip(many, asked, strict=True)]
    assert sum(time > its_turn for time in times) >= WAITING - 1, (its_turn, times)
