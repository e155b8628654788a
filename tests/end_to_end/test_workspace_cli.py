"""The command line's part in a workspace: opening, running, showing, copying, pushing, a shell."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import zipfile
from pathlib import Path

import httpx

from tests.support.cli import COMMAND, answered, done, environment, studio
from tests.support.preview import entered, visitor
from tests.support.user import App, User, ok
from tests.support.workspace import OpenApp

SERVER = """
require("http").createServer((request, response) => response.end("seen"))
  .listen(process.env.PORT, () => console.log("it listens"))
"""
PACKAGE = {"scripts": {"dev": "node server.js", "build": "echo no luck; exit 5"}}


async def test_from_nothing_to_a_preview_that_others_see(user: User, tmp_path: Path) -> None:
    none = await studio(user, "run", "dev")
    assert (none.code, none.err.splitlines()) == (
        1,
        ["no app is open in your workspace", "studio open APP"],
    )
    app = await answered(user, "create", "shop")
    said = await done(user, "open", "shop")
    assert "is open on workspace-87." in said
    assert user.settings.preview_url(user.id) in said
    opened = await answered(user, "open", "shop")
    assert (opened["status"], opened["app_id"]) == ("RUNNING", app["id"])

    (tmp_path / "package.json").write_text(json.dumps(PACKAGE))
    (tmp_path / "server.js").write_text(SERVER)
    for name in ("package.json", "server.js"):
        await done(user, "cp", str(tmp_path / name), f"shop:{name}")
    said = await done(user, "run", "dev", "shop")
    assert "dev: RUNNING" in said
    (entrance,) = [line.strip() for line in said.splitlines() if "/.studio/enter?ticket=" in line]
    async with visitor(user) as browser:
        await entered(user, browser, url=entrance)
        assert (await browser.get("/")).text == "seen"
    state = dict(
        line.split(maxsplit=1) for line in (await done(user, "workspace", "status")).splitlines()
    )
    assert (state["workspace"], state["task"], state["state"]) == ("RUNNING", "dev", "RUNNING")
    assert (await answered(user, "workspace", "status"))["run"]["state"] == "RUNNING"

    link = await answered(user, "share", "--for", "2h")
    async with visitor(user) as guest:
        await entered(user, guest, url=link["url"])
        assert (await guest.get("/")).text == "seen"
        assert str(link["id"]) in (await done(user, "share", "--list")).split("\t")
        await done(user, "share", "--withdraw", str(link["id"]))
        async with asyncio.timeout(10):
            while (await guest.get("/")).text == "seen":
                await asyncio.sleep(0.2)
    assert await answered(user, "share", "--list") == []
    refused = await studio(user, "share", "--for", "ever")
    assert (refused.code, "no duration" in refused.err) == (1, True)

    assert (await answered(user, "run", "stop"))["state"] == "STOPPED"
    failed = await studio(user, "run", "build")
    assert failed.code == 1
    assert "no luck" in failed.out
    assert "build: FAILED with exit code 5" in failed.out
    assert (await studio(user, "run", "build", "--json")).json["exit_code"] == 5
    assert "STOPPED" in await done(user, "workspace", "close")


async def test_vs_code_at_an_address_of_its_own(user: User) -> None:
    await OpenApp.opened(user)
    said = await done(user, "code")
    made = await answered(user, "code")
    host = f"code-{httpx.URL(user.settings.preview_url(user.id)).host}"
    assert f"//{host}" in said
    assert httpx.URL(made["url"]).host == host
    async with visitor(user, at=made["url"]) as browser:
        await entered(user, browser, url=made["url"])
        assert "workbench" in (await browser.get("/")).text


async def test_an_app_that_begins_with_what_is_elsewhere(user: User, tmp_path: Path) -> None:
    archive = tmp_path / "shop.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("a/b.txt", "deep")
    app = App(user, await answered(user, "create", "zip", "--archive", str(archive)))
    await app.push({})
    assert (app.tree / "a" / "b.txt").read_text() == "deep"
    archive.write_bytes(b"no archive")
    for words in (
        ("--archive", str(archive)),
        ("--archive", str(tmp_path / "none.zip")),
        ("--git", "http://127.0.0.1/x.git"),
        ("--git", "https://2130706433/x.git"),
        ("--git", "https://example.org/x.git", "--template", "static"),
        ("--template", "none"),
    ):
        refused = await studio(user, "create", "shop", *words)
        assert refused.code == 1, refused
        assert refused.err.strip(), words


async def test_copy_there_and_back_and_push(user: User, tmp_path: Path) -> None:
    app = await OpenApp.opened(user, "express-api")
    folder = tmp_path / "mine"
    (folder / "node_modules").mkdir(parents=True)
    (folder / "node_modules" / "x").write_text("x")
    (folder / "sub").mkdir()
    (folder / "sub" / "a.txt").write_text("a")
    (folder / "link").symlink_to("/etc/passwd")
    big = os.urandom(9_000_000)
    (tmp_path / "big.bin").write_bytes(big)
    name = str(app.id)
    for words in (
        (str(folder), f"{name}:copied"),
        (str(tmp_path / "big.bin"), f"{name}:data/"),
        (f"{name}:copied", str(tmp_path / "back")),
        (f"{name}:data/big.bin", str(tmp_path / "again.bin")),
        (f"{name}:server.js", str(tmp_path)),
    ):
        await done(user, "cp", *words)
    assert (tmp_path / "again.bin").read_bytes() == big
    assert "express" in (tmp_path / "server.js").read_text()
    found = sorted(str(p.relative_to(tmp_path / "back")) for p in (tmp_path / "back").rglob("*"))
    assert found == ["sub", "sub/a.txt"]
    for words in (
        ("a", "b"),
        (f"{name}:a", f"{name}:b"),
        (f"{name}:nothing", str(tmp_path / "here")),
        # A folder where a file is, and a file where no folder is.
        (f"{name}:copied", str(tmp_path / "again.bin")),
        (f"{name}:server.js", str(tmp_path / "nowhere" / "server.js")),
        (str(tmp_path / "none"), f"{name}:x"),
    ):
        refused = await studio(user, "cp", *words)
        assert refused.code == 1, words
        assert refused.err.strip(), words
    assert not (tmp_path / "here").exists()
    pushed = await answered(user, "push", name, "-m", "copied")
    assert pushed["branch"] == "main"
    status = ok(await app.get("git/status"))
    assert (status["files"], status["ahead"]) == ([], 0)


async def test_a_shell(user: User) -> None:
    app = await OpenApp.opened(user)
    said = await studio(user, "sh", str(app.id), given="echo in-$((40+2)); exit 7\n")
    assert "in-42" in said.out
    assert said.code == 7


async def test_a_shell_on_a_terminal(user: User) -> None:
    app = await OpenApp.opened(user)
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "sh", str(app.id)),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(user),
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    seen = b""

    async def until(wanted: bytes) -> None:
        nonlocal seen
        async with asyncio.timeout(20):
            while wanted not in seen:
                try:
                    seen += os.read(ours, 4096)
                except BlockingIOError:
                    await asyncio.sleep(0.02)
        seen = seen.partition(wanted)[2]

    try:
        await until(b"$ ")
        os.write(ours, b"sleep 100\r")
        await asyncio.sleep(0.3)
        os.write(ours, b"\x03")
        os.write(ours, b"echo still-$((1+1))-here; exit\r")
        await until(b"still-2-here")
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        os.close(ours)
