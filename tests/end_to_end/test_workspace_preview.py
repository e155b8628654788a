"""The preview of a template that reloads by itself, as its page's own client sees it."""

from __future__ import annotations

from tests.support.preview import entered, hot_reload, is_looked_at, visitor
from tests.support.user import User, ok
from tests.support.workspace import OpenApp, run_is


async def test_a_saved_file_is_seen_at_once(user: User) -> None:
    app = await OpenApp.opened(user, "vite-react")
    ok(await app.post("run", task="dev"))
    run = await run_is(user, "RUNNING", "DEAD", seconds=90)
    assert run["state"] == "RUNNING", run
    async with visitor(user) as browser:
        await entered(user, browser)
        assert "/@vite/client" in (await browser.get("/")).text
        page = await app.text("src/App.jsx")
        assert "Clicked" in (await browser.get("/src/App.jsx")).text
        async with hot_reload(user, browser, Cookie=browser.headers["Cookie"]) as hot:
            ok(await app.put("src/App.jsx", page.replace("It works", "Changed")))
            update = await hot.update_of("/src/App.jsx")
            seen = await browser.get("/src/App.jsx", params={"t": update["timestamp"]})
            assert "Changed" in seen.text
            assert await is_looked_at(user)
    ok(await user.api.delete("/api/workspace/run"))
    assert not await is_looked_at(user)
