"""The terminal: a real pty in the container, over the public entry."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.user import User, ok
from tests.support.workspace import OpenApp


async def test_a_real_terminal(user: User) -> None:
    app = await OpenApp.opened(user, "express-api")
    async with app.terminal(rows=40, columns=132) as terminal:
        assert await terminal.run("pwd") == f"/workspace/apps/{app.id}"
        assert await terminal.run("id -u; tty | cut -c 1-9") == "1000\n/dev/pts/"
        assert await terminal.run("stty size") == "40 132"
        await terminal.resize(100, 30)
        await asyncio.sleep(0.2)
        assert await terminal.run("stty size") == "30 100"
        assert await terminal.run("echo 你好, wörld") == "你好, wörld"
        await terminal.send("sleep 100; echo not interrupted\r")
        await asyncio.sleep(0.3)
        await terminal.send("\x03")
        assert "not interrupted" not in await terminal.run("echo after")
        # A full-screen program switches to the alternate screen, and back.
        await terminal.send("less package.json\r")
        await terminal.until(b"\x1b[?1049h")
        await terminal.send("q")
        await terminal.until(b"\x1b[?1049l")
        await terminal.send("exit 3\r")
        with pytest.raises((AssertionError, ConnectionClosed)):
            await terminal.until("never", 5)
        assert terminal.exit == 3


async def test_it_is_there_again_after_the_page_was_loaded_anew(user: User) -> None:
    app = await OpenApp.opened(user)
    async with app.terminal() as terminal:
        assert await terminal.run("X=kept; echo scrollback") == "scrollback"
        session = terminal.session
        await terminal.send("sleep 1; echo while-$((40 + 2))-away\r")
    await asyncio.sleep(1.5)
    async with app.terminal(session=session) as again:
        assert b"scrollback" in await again.until("while-42-away")
        assert await again.run("echo $X") == "kept"
        async with app.terminal(session=session) as third:
            with pytest.raises(ConnectionClosed) as closed:
                await again.until("never", 5)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4000
            assert await third.run("echo $X") == "kept"


async def test_one_that_is_closed_is_gone_with_what_ran_in_it(user: User) -> None:
    app = await OpenApp.opened(user)
    async with app.terminal() as terminal:
        await terminal.send("sleep 1234\r")
        await app.shell("while ! pgrep -f '^sleep 1234'; do sleep 0.05; done")
        await terminal.connection.send(json.dumps({"hang_up": True}))
        with pytest.raises(ConnectionClosed):
            await terminal.until("never", 5)
    with pytest.raises(InvalidStatus) as ended:
        async with app.terminal(session=terminal.session):
            pass
    assert ended.value.response.status_code == 404
    assert await app.shell("pgrep -f '^sleep 1234' || echo none") == "none"


async def test_several_at_once_and_no_more(user: User) -> None:
    app = await OpenApp.opened(user)
    async with app.terminal() as one, app.terminal() as two:
        assert await one.run("A=1; echo $A") == "1"
        assert await two.run("echo [$A]") == "[]"
        others = [app.terminal() for _ in range(6)]
        for other in others:
            await other.__aenter__()
        with pytest.raises(InvalidStatus) as refused:
            async with app.terminal():
                pass
        assert refused.value.response.status_code == 429
        for other in others:
            await other.__aexit__(None, None, None)


async def test_a_flood_holds_only_its_own_program_up(user: User) -> None:
    app = await OpenApp.opened(user)
    async with app.terminal() as flooding, app.terminal() as other:
        await flooding.send("yes flood\r")
        await flooding.until("flood\r\nflood")
        # Nobody reads the flood any more; everybody else goes on.
        for _ in range(10):
            begun = time.monotonic()
            assert await other.run("echo quick") == "quick"
            assert time.monotonic() - begun < 2
            ok(await user.api.get("/api/workspace"))
        await flooding.send("\x03")
        await flooding.send("echo stop''ped\r")
        await flooding.until("stopped\r\n", seconds=90)


async def test_who_may_not(user: User, stranger: User) -> None:
    app = await OpenApp.opened(user)
    settings = user.settings
    url = f"{settings.studio_url.replace('http', 'ws', 1)}/api/workspace/terminal?app_id={app.id}"
    mine = user.api.headers["Authorization"]
    cookie = f"studio_session={mine.removeprefix('Bearer ')}"
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer forged"}, 401),
        ({"Authorization": stranger.api.headers["Authorization"]}, 404),
        ({"Cookie": cookie}, 403),
        ({"Cookie": cookie, "Origin": f"http://u{user.id}.ws.localhost"}, 403),
        ({"Authorization": mine, "Origin": "http://evil.example"}, 403),
    ):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(
                url,
                host="127.0.0.1",
                port=settings.ports.public,
                additional_headers=headers,
                proxy=None,
            ):
                pass
        assert refused.value.response.status_code == status, headers
        assert "detail" in json.loads(refused.value.response.body or b"{}")
    async with connect(
        url,
        host="127.0.0.1",
        port=settings.ports.public,
        additional_headers={"Cookie": cookie},
        origin=settings.studio_url,  # type: ignore[arg-type]
        proxy=None,
    ) as allowed:
        assert "session" in json.loads(await allowed.recv())
    with pytest.raises(InvalidStatus) as unknown:
        async with app.terminal(session="of-somebody-else"):
            pass
    assert unknown.value.response.status_code == 404


async def test_the_echo_is_quick(user: User) -> None:
    app = await OpenApp.opened(user)
    async with app.terminal() as terminal:
        await terminal.run("true")
        await terminal.send("cat > /dev/null\r")
        await terminal.until("/dev/null\r\n")
        took = []
        for number in range(50):
            mark = f"{number:04}"
            begun = time.monotonic()
            await terminal.send(mark)
            await terminal.until(mark)
            took.append(time.monotonic() - begun)
        assert sorted(took)[25] < 0.05
        print(f"echo: median {sorted(took)[25] * 1000:.1f} ms, worst {max(took) * 1000:.1f} ms")


async def test_it_ends_with_the_session_that_opened_it(user: User) -> None:
    app = await OpenApp.opened(user)
    async with user.elsewhere() as token_id, app.terminal() as terminal:
        assert await terminal.run("echo open") == "open"
        await user.signs_out(token_id)
        with pytest.raises(ConnectionClosed) as closed:
            await terminal.until("never", 10)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "signed out")
