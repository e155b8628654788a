"""The build cache of a runner does not grow without end."""

from __future__ import annotations

from activities.build_cache import BuildCache
from activities.engine import Engine
from tests.support import apps
from tests.support.platform import Platform
from tests.support.user import User


async def test_the_cache_is_kept_below_its_setting(user: User, platform: Platform) -> None:
    app = await user.app(apps.hello("one"))
    await app.deployed()
    engine = Engine(platform.settings)
    before = engine.cache_bytes()
    assert before > 0
    nothing = platform.settings.model_copy(update={"build_cache_mb": 0})

    assert await BuildCache(nothing).prune() > 0

    assert engine.cache_bytes() < before
    await app.push(apps.hello("two"))
    assert (await app.deployed())["status"] == "SUCCEEDED"
