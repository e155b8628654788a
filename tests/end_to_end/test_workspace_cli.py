"""The command line's part in a workspace: copying, pushing, a shell."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from pathlib import Path

from tests.support.user import User, ok
from tests.support.workspace import OpenApp

ROOT = Path(__file__).parents[2]


async def studio(user: User, *words: str, given: str = "") -> tuple[int, str]:
    """Exit code and output of a command, run as this user."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "ops.cli", *words],
        env=environment(user),
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def environment(user: User) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "STUDIO_URL": user.settings.studio_url,
        "STUDIO_TOKEN": user.api.headers["Authorization"].removeprefix("Bearer "),
        "XDG_CONFIG_HOME": str(user.home),
    }


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
        code, said = await studio(user, "cp", *words)
        assert code == 0, said
    assert (tmp_path / "again.bin").read_bytes() == big
    assert "express" in (tmp_path / "server.js").read_text()
    found = sorted(str(p.relative_to(tmp_path / "back")) for p in (tmp_path / "back").rglob("*"))
    assert found == ["sub", "sub/a.txt"]
    for words in (("a", "b"), (f"{name}:a", f"{name}:b"), (f"{name}:nothing", "here")):
        code, said = await studio(user, "cp", *words)
        assert code == 1
        assert "Traceback" not in said
    code, said = await studio(user, "push", name, "-m", "copied")
    assert code == 0, said
    status = ok(await app.get("git/status"))
    assert (status["files"], status["ahead"]) == ([], 0)


async def test_a_shell(user: User) -> None:
    app = await OpenApp.opened(user)
    code, said = await studio(user, "sh", str(app.id), given="echo in-$((40+2)); exit 7\n")
    assert "in-42" in said
    assert code == 7


async def test_a_shell_on_a_terminal(user: User) -> None:
    app = await OpenApp.opened(user)
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "ops.cli", "sh", str(app.id)),
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
