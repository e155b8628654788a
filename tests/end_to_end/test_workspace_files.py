"""Files of a workspace over the public entry, while its owner may be up to no good."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from api.workspace_node.state import MOST_UPLOADS
from tests.support.platform import Platform
from tests.support.user import User, ok
from tests.support.workspace import OpenApp

ATTACKS = """
mkdir -p real && cd . &&
ln -sfn /etc/passwd passwd && ln -sfn /proc/self/root rootfs && ln -sfn / slash &&
ln -sfn /workspace/../../../u-1 other && mkfifo fifo &&
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
"""


@pytest_asyncio.fixture(scope="module")
async def opened(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OpenApp]:
    """An open app that several tests work in."""
    async with User.registered(platform.settings, Path(tmp_path_factory.mktemp("files"))) as owner:
        yield await OpenApp.opened(owner)


async def test_edit_like_an_editor_does(user: User) -> None:
    app = await OpenApp.opened(user, "express-api")
    entries = {e["path"]: e for e in ok(await app.get("files/tree"))["entries"]}
    assert entries["server.js"]["type"] == "file"
    read = ok(await app.get("files/content", path="server.js"))
    assert read["encoding"] == "utf-8"
    written = ok(await app.put("server.js", "// mine\n", etag=read["etag"]))
    again = await app.put("server.js", "// theirs\n", etag=read["etag"])
    assert again.status_code == 412
    assert await app.text("server.js") == "// mine\n"
    ok(await app.put("server.js", "// mine, again\n", etag=written["etag"]))
    ok(await app.put("src/deep/新 file.ts", "x", etag=""))
    there = await app.put("src/deep/新 file.ts", "y", etag="")
    assert (there.status_code, there.json()["code"]) == (412, "file_exists")
    ok(await app.post("files/mkdir", path="docs/img"), 204)
    ok(await app.post("files/move", path="src/deep", to="lib"), 204)
    assert (await app.post("files/move", path="lib", to="docs")).status_code == 409
    assert await app.text("lib/新 file.ts") == "x"
    ok(await app.post("files/delete", path="lib"), 204)
    assert (await app.get("files/content", path="lib/新 file.ts")).status_code == 404
    # What the API made belongs to the user in the container, and the other way round.
    assert (
        await app.shell("stat -c %u:%g docs docs/img server.js") == "1000:1000\n" * 2 + "1000:1000"
    )
    assert await app.shell("echo more >> server.js && chmod +x server.js && echo ok") == "ok"
    ok(await app.put("server.js", "#!/usr/bin/env node\n"))
    assert await app.shell("stat -c %a server.js") == "755"


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/passwd", "a/../../x", "a\0b", "x" * 256, "d/" * 1500 + "x", ".."],
)
async def test_paths_that_make_no_sense(opened: OpenApp, path: str) -> None:
    for answer in (
        await opened.get("files/content", path=path),
        await opened.get("files/download", path=path),
        await opened.put(path, "x"),
        await opened.post("files/delete", path=path),
        await opened.post("files/mkdir", path=path),
        await opened.post("files/move", path=path, to="y"),
        await opened.get("files/tree", path=path),
    ):
        assert answer.status_code == 422, answer.text


async def test_links_fifos_and_sockets(opened: OpenApp) -> None:
    await opened.shell(ATTACKS.strip().replace("\n", " "))
    kinds = {e["path"]: e["type"] for e in ok(await opened.get("files/tree"))["entries"]}
    assert kinds["passwd"] == kinds["slash"] == kinds["rootfs"] == "link"
    assert kinds["fifo"] == kinds["socket"] == "other"
    for path in ("passwd", "fifo", "socket"):
        for answer in (
            await opened.get("files/content", path=path),
            await opened.get("files/download", path=path),
            await opened.put(path, "x"),
        ):
            assert answer.status_code == 422, (path, answer.text)
    for path in ("rootfs/etc/passwd", "slash/etc/passwd", "other/apps", "slash/root/x"):
        for answer in (
            await opened.get("files/content", path=path),
            await opened.get("files/tree", path=path),
            await opened.post("files/delete", path=path),
        ):
            assert answer.status_code in (404, 422), (path, answer.text)
    assert not os.path.exists("/root/x")
    packed = (await opened.get("files/archive")).content
    names = zipfile.ZipFile(io.BytesIO(packed)).namelist()
    assert not {"passwd", "slash", "rootfs", "fifo", "socket"} & {n.rstrip("/") for n in names}
    for name in ("passwd", "rootfs", "slash", "other", "fifo", "socket"):
        ok(await opened.post("files/delete", path=name), 204)
    assert os.path.exists("/etc/passwd")


async def test_upload_and_download_of_what_is_large(opened: OpenApp) -> None:
    data = os.urandom(30_000_000)
    where: dict[str, str | int] = {"app_id": opened.id, "path": "big/file.bin"}
    api = opened.user.api
    assert ok(await api.put("/api/workspace/files/upload", params=where, content=data)) == {
        "size": len(data)
    }
    assert (await opened.get("files/content", path="big/file.bin")).status_code == 422
    down = await opened.get("files/download", path="big/file.bin")
    assert down.content == data
    assert "file.bin" in down.headers["content-disposition"]
    packed = await opened.get("files/archive", path="big")
    assert zipfile.ZipFile(io.BytesIO(packed.content)).read("file.bin") == data
    unpacked = await api.post(
        "/api/workspace/files/archive",
        params={"app_id": opened.id, "path": "copy"},
        content=packed.content,
    )
    assert ok(unpacked) == {"files": 1}
    assert await opened.shell("cmp big/file.bin copy/file.bin && echo same") == "same"
    refused = await api.post(
        "/api/workspace/files/archive", params={"app_id": opened.id}, content=b"no zip"
    )
    assert refused.status_code == 422


async def test_a_file_of_any_size_passes_through_little_memory(
    platform: Platform, opened: OpenApp
) -> None:
    size, chunk = 300_000_000, bytes(1_000_000)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(size // len(chunk)):
            yield chunk

    pids = [
        platform.pid(name)
        for name in ("api", ok(await opened.user.api.get("/api/workspace"))["node"])
    ]
    before = [memory(pid, "VmRSS") for pid in pids]
    for pid in pids:
        # proc(5): from now on the peak is counted anew.
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    where: dict[str, str | int] = {"app_id": opened.id, "path": "large.bin"}
    put = await opened.user.api.put(
        "/api/workspace/files/upload", params=where, content=chunks(), timeout=120
    )
    assert ok(put) == {"size": size}
    got = 0
    async with opened.user.api.stream(
        "GET", "/api/workspace/files/download", params=where, timeout=120
    ) as download:
        assert download.status_code == 200
        async for part in download.aiter_bytes():
            got += len(part)
    assert got == size
    grown = [memory(pid, "VmHWM") - old for pid, old in zip(pids, before, strict=True)]
    # Others use the API meanwhile.
    assert max(grown) < size / 2, grown
    ok(await opened.post("files/delete", path="large.bin"), 204)


def memory(pid: int, which: str) -> int:
    """Bytes, of /proc/PID/status."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{which}:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


async def test_so_many_uploads_at_once_and_no_more(opened: OpenApp) -> None:
    release = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"first"
        await release.wait()
        yield b"last"

    async def sent(path: str, content: bytes | AsyncIterator[bytes]) -> httpx.Response:
        where: dict[str, str | int] = {"app_id": opened.id, "path": path}
        return await opened.user.api.put(
            "/api/workspace/files/upload", params=where, content=content
        )

    paths = [f"slow-{number}/file" for number in range(MOST_UPLOADS)]
    slow = [asyncio.create_task(sent(path, slowly())) for path in paths]
    wanted = {path.partition("/")[0] for path in paths}
    async with asyncio.timeout(10):
        # Each makes its folder when it begins.
        while not wanted <= {e["path"] for e in ok(await opened.get("files/tree"))["entries"]}:
            await asyncio.sleep(0.05)
    refused = await sent("one-more", b"x")
    assert refused.status_code == 429, refused.text
    told = refused.json()
    assert told["type"].endswith(":LimitReached")
    assert str(MOST_UPLOADS) in told["detail"]
    assert "wait" in told["hint"]
    # What is small is not sent as an upload, and goes on.
    ok(await opened.put("meanwhile", "x"))
    release.set()
    for answer in await asyncio.gather(*slow):
        assert ok(answer) == {"size": len(b"firstlast")}
    assert ok(await sent("one-more", b"x")) == {"size": 1}


async def test_a_full_disk_says_so_and_can_be_emptied(user: User) -> None:
    app = await OpenApp.opened(user)
    ok(await app.put("kept", "kept"))
    assert "No space" in await app.shell("head -c 9G /dev/zero > filler; echo No space")
    answer = await app.put("new", "x" * 100_000)
    assert answer.status_code == 507, answer.text
    assert "full" in answer.json()["detail"]
    assert await app.text("kept") == "kept"
    ok(await app.post("files/delete", path="filler"), 204)
    ok(await app.put("new", "x" * 100_000))


async def test_changes_of_anybody_are_told(opened: OpenApp) -> None:
    api = opened.user.api
    told: list[dict[str, str]] = []

    async def follow() -> None:
        async with api.stream(
            "GET", "/api/workspace/files/watch", params={"app_id": opened.id}
        ) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("event: ready"):
                    ready.set()
                if line.startswith("data: ") and "changes" in line:
                    told.extend(json.loads(line[6:])["changes"])

    ready = asyncio.Event()
    following = asyncio.create_task(follow())
    try:
        await asyncio.wait_for(ready.wait(), 10)
        await opened.shell("mkdir -p watched/here && echo x > watched/here/from-terminal")
        ok(await opened.put("watched/from-api", "x"))
        async with asyncio.timeout(5):
            while len({c["path"] for c in told}) < 4:
                await asyncio.sleep(0.05)
    finally:
        following.cancel()
    assert {c["path"] for c in told} == {
        *("watched", "watched/here", "watched/here/from-terminal", "watched/from-api")
    }


async def test_search(opened: OpenApp) -> None:
    ok(await opened.put("s/a.js", "const needle = '--pre=/bin/sh'\nno\n"))
    found = ok(await opened.get("files/search", q="--pre=/bin/sh"))
    assert [(m["path"], m["line"]) for m in found["matches"]] == [("s/a.js", 1)]
    assert ok(await opened.get("files/search", q="NEEDLE"))["matches"]
    assert not ok(await opened.get("files/search", q="NEEDLE", case="true"))["matches"]
    assert ok(await opened.get("files/search", q="need.e", regex="true"))["matches"]
    assert (await opened.get("files/search", q="(", regex="true")).status_code == 422


async def test_of_somebody_else(opened: OpenApp, stranger: User) -> None:
    theirs = OpenApp(stranger, opened.id)
    for answer in (
        await theirs.get("files/tree"),
        await theirs.get("files/content", path="x"),
        await theirs.put("x", "x"),
        await theirs.post("files/delete", path="x"),
        await theirs.get("git/status"),
        await theirs.post("git/push"),
    ):
        assert answer.status_code == 404, answer.text


async def test_only_the_entry_may_ask_a_node(user: User) -> None:
    app = await OpenApp.opened(user)
    (node,) = [n for n in user.settings.nodes if n.role == "workspace"][:1]
    url = f"http://127.0.0.1:{node.agent_port}/users/{user.id}/files/tree?app_id={app.id}"
    async with httpx.AsyncClient(trust_env=False) as anybody:
        for headers in ({}, {"Authorization": "Bearer forged"}, {"Authorization": "Bearer"}):
            assert (await anybody.get(url, headers=headers)).status_code == 401
