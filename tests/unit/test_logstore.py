"""Log lines: what is kept of them, that sending twice adds nothing, the cap, following."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ops.logship import LogShipper
from ops.logstore import LogStore
from ops.logtext import MAX_LINE, cleaned_lines, sanitise
from ops.settings import Settings


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("plain", "plain"),
        ("tab\tstays", "tab\tstays"),
        ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;cm0gLXJm", ""),
        ("\x9d0;title\x9ctext", "text"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("\x1bPdcs\x1b\\x", "x"),
        ("\x1b(Btext\x1bc", "text"),
        ("a\x00b\x08c\x7fd", "abcd"),
        ("10%\r20%\r100%", "100%"),
        ("done\r\n", "done"),
        ("\ud800", "?"),
        ("ab\u202ecd", "abcd"),
    ],
)
def test_only_colours_are_kept_of_control(line: str, kept: str) -> None:
    assert sanitise(line) == kept


def test_a_long_line_is_cut() -> None:
    assert len(sanitise("x" * 1_000_000)) == MAX_LINE + 1


async def _given(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
async def test_lines_come_whole_however_they_are_cut(size: int) -> None:
    text = "one\nzwölf 三\x1b]0;t\x07\r\n\n10%\r100%\n🙂 no end".encode() + b"\xff"
    chunks = [text[place : place + size] for place in range(0, len(text), size)]
    lines = [line async for line in cleaned_lines(_given(chunks))]
    assert lines == ["one", "zwölf 三", "", "100%", "🙂 no end\ufffd"]


async def test_a_character_that_is_cut_at_the_end_is_said_to_be() -> None:
    assert [line async for line in cleaned_lines(_given([b"a\n", "ö".encode()[:1]]))] == [
        "a",
        "\ufffd",
    ]


@pytest.mark.parametrize("character", ["x", "三", "\r"])
async def test_a_line_without_end_is_not_held(character: str) -> None:
    chunk = (character * 16_384).encode()[:16_384]
    held = most = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal held, most
        for _ in range(50 * 64):
            held += len(chunk)
            most = max(most, held)
            yield chunk

    async for line in cleaned_lines(endless()):
        assert len(line) <= MAX_LINE + 1
        held = 0
    assert most <= 4 * MAX_LINE + len(chunk)


async def _texts(store: LogStore, after: int = -1) -> list[str]:
    data = b"".join([chunk async for chunk in store.read(7, after)])
    lines = [json.loads(line) for line in data.splitlines()]
    assert all(set(line) == {"n", "text", "source", "at"} for line in lines)
    assert [line["n"] for line in lines] == list(range(after + 1, after + 1 + len(lines)))
    return [line["text"] for line in lines]


async def test_sending_a_batch_again_adds_nothing_even_after_a_restart(tmp_path: Path) -> None:
    store = LogStore(tmp_path, 10_000)
    await store.append(7, "build", "s1", 0, ["a", "b"])
    await store.append(7, "build", "s1", 0, ["a", "b"])
    again = LogStore(tmp_path, 10_000)
    await again.append(7, "build", "s1", 0, ["a", "b", "c"])
    await again.append(7, "build", "s2", 0, ["a"])
    assert await _texts(again) == ["a", "b", "c", "a"]
    assert await _texts(again, after=1) == ["c", "a"]
    assert await _texts(again, after=9) == []


async def test_a_gap_and_the_cap_are_told(tmp_path: Path) -> None:
    store = LogStore(tmp_path, 1_000)
    assert await store.append(7, "build", "s", 0, ["a"])
    assert await store.append(7, "build", "s", 5, ["f"])
    assert not await store.append(7, "build", "s", 6, ["x" * 400] * 5)
    assert not await LogStore(tmp_path, 1_000).append(7, "build", "s", 11, ["y"])
    texts = await _texts(store)
    assert texts[:3] == ["a", "… 4 lines were lost on the way here", "f"]
    assert texts[-1].startswith("… the log is over 1000 bytes")
    assert len(texts) == 6


async def test_a_half_written_line_is_cut_off(tmp_path: Path) -> None:
    store = LogStore(tmp_path, 10_000)
    await store.append(7, "build", "s", 0, ["a"])
    with store.path(7).open("ab") as file:
        file.write(b'{"n": 1, "text": "ha')
    again = LogStore(tmp_path, 10_000)
    await again.append(7, "build", "s", 1, ["b"])
    assert await _texts(again) == ["a", "b"]


async def test_following_ends_with_the_deployment(tmp_path: Path) -> None:
    store = LogStore(tmp_path, 10_000)
    over = asyncio.Event()
    got: list[str] = []

    async def ended() -> bool:
        return over.is_set()

    async def follow() -> None:
        async for chunk in store.follow(7, -1, ended):
            got.extend(json.loads(line)["text"] for line in chunk.splitlines())

    following = asyncio.create_task(follow())
    await store.append(7, "build", "s", 0, ["a"])
    await asyncio.sleep(0.05)
    await store.append(7, "build", "s", 1, ["b"])
    await asyncio.sleep(0.05)
    assert got == ["a", "b"]
    await store.append(7, "build", "s", 2, ["c"])
    over.set()
    await asyncio.wait_for(following, 3)
    assert got == ["a", "b", "c"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path)
    settings.secrets.mkdir()
    (settings.secrets / "node-runner-101").write_text("node token")
    return settings


class ForgetfulControl:
    """Takes batches, and fails every other request after it took the batch."""

    def __init__(self) -> None:
        self.lines: dict[int, str] = {}
        self.requests = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        body: dict[str, Any] = json.loads(request.content)
        assert request.headers["authorization"] == "Bearer node token"
        self.lines.update(enumerate(body["lines"], body["first"]))
        self.requests += 1
        return httpx.Response(502 if self.requests % 2 else 200, json={"more": True})


async def test_a_shipper_sends_everything_from_tasks_and_threads(settings: Settings) -> None:
    control = ForgetfulControl()
    async with LogShipper(
        settings, "runner-101", 7, "build", transport=httpx.MockTransport(control.answer)
    ) as shipper:
        for number in range(300):
            await shipper.write(str(number))
        await asyncio.to_thread(shipper.write_nowait, "300")
    assert [control.lines[number] for number in range(301)] == [str(n) for n in range(301)]
    assert control.requests < 10


def test_what_was_overwritten_by_nothing_that_is_seen_is_kept() -> None:
    assert sanitise("plain\x00 \x1b[31mred\x1b[0m\r\x9b5n") == "plain \x1b[31mred\x1b[0m"
    assert sanitise("10 %\r20 %\r\x1b[0m") == "20 %"
    assert sanitise("\x1b[0m") == "\x1b[0m"
    assert sanitise("  ") == "  "
