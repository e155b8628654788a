"""What the source server may answer, and what becomes of it."""

from __future__ import annotations

import io
from collections.abc import Callable

import httpx
import pytest
from dulwich.protocol import pkt_line
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from activities.git_remote import GitRemote, _Parser
from ops.errors import Invalid, PlatformError, SourceError

URL = "http://git/studio/u1-app1.git"
TOKEN = SecretStr("secret-token")
MAIN, OLD, TAG = "1" * 40, "2" * 40, "3" * 40


def remote(answer: Callable[[httpx.Request], httpx.Response]) -> GitRemote:
    return GitRemote(httpx.MockTransport(answer))


def refs(request: httpx.Request) -> httpx.Response:
    """A server with two branches and a tag that has an object of its own."""
    assert request.headers["Git-Protocol"] == "version=2"
    assert "secret-token" not in str(request.url)
    body = request.content.decode()
    known = {
        "refs/heads/main": f"{MAIN} refs/heads/main\n",
        "refs/heads/main-2": f"{OLD} refs/heads/main-2\n",
        "refs/tags/v1": f"{TAG} refs/tags/v1 peeled:{OLD}\n",
    }
    prefixes = [line.split("ref-prefix ")[1] for line in body.split("\n") if "ref-prefix" in line]
    lines = [line for name, line in known.items() if name.startswith(tuple(prefixes))]
    content = b"".join(pkt_line(line.encode()) for line in lines) + b"0000"
    return httpx.Response(200, content=content)


@pytest.mark.parametrize(
    ("ref", "commit"),
    [("main", MAIN), ("v1", OLD), ("refs/tags/v1", OLD), ("refs/heads/main", MAIN), (TAG, TAG)],
)
async def test_refs(ref: str, commit: str) -> None:
    assert await remote(refs).resolve(URL, TOKEN, ref) == commit


async def test_an_unknown_ref_says_which_there_are() -> None:
    with pytest.raises(SourceError) as caught:
        await remote(refs).resolve(URL, TOKEN, "nope")
    assert "main, main-2" in caught.value.hint


async def test_a_short_commit_says_that_it_is_short() -> None:
    with pytest.raises(SourceError) as caught:
        await remote(refs).resolve(URL, TOKEN, "abc1234")
    assert "40 characters" in caught.value.hint


async def test_an_empty_repository() -> None:
    empty = remote(lambda request: httpx.Response(200, content=b"0000"))
    with pytest.raises(SourceError, match="empty"):
        await empty.resolve(URL, TOKEN, "main")


@pytest.mark.parametrize("ref", ["--upload-pack=touch /x", "", "a b", "a\nb", "-x", "a..b"])
async def test_refs_that_are_none(ref: str) -> None:
    with pytest.raises(Invalid):
        await remote(refs).resolve(URL, TOKEN, ref)


async def download(answer: httpx.Response, limit: int = 1000) -> bytes:
    pack = io.BytesIO()
    await remote(lambda request: answer).download(
        URL, TOKEN, MAIN, pack, pack_bytes=limit, file_bytes=100
    )
    return pack.getvalue()


def packed(*packets: bytes) -> httpx.Response:
    start = [b"shallow-info\n", f"shallow {MAIN}\n".encode()]
    content = b"".join(pkt_line(packet) for packet in start) + b"0001" + pkt_line(b"packfile\n")
    return httpx.Response(200, content=content + b"".join(map(pkt_line, packets)) + b"0000")


async def test_a_pack_without_its_progress() -> None:
    assert await download(packed(b"\x02counting", b"\x01PA", b"\x01CK")) == b"PACK"


async def test_a_pack_that_is_too_large() -> None:
    with pytest.raises(SourceError, match="larger"):
        await download(packed(b"\x01" + bytes(600), b"\x01" + bytes(600)))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (packed(b"\x03no more memory"), PlatformError),
        (httpx.Response(200, content=pkt_line(b"ERR upload-pack: not our ref 1")), SourceError),
        (httpx.Response(200, content=pkt_line(b"ERR something")), PlatformError),
        (httpx.Response(200, content=b"zzzz"), PlatformError),
        (httpx.Response(200, content=b""), PlatformError),
        (httpx.Response(404), SourceError),
        (httpx.Response(401), PlatformError),
        (httpx.Response(502), PlatformError),
    ],
)
async def test_answers_that_are_no_pack(answer: httpx.Response, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        await download(answer)


async def test_a_server_that_is_away() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(PlatformError) as caught:
        await remote(away).resolve(URL, TOKEN, "main")
    assert "secret-token" not in str(caught.value)


@given(
    st.lists(st.binary(min_size=1, max_size=300)),
    st.lists(st.integers(min_value=1, max_value=50), min_size=1),
)
def test_packets_however_they_are_cut(packets: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(pkt_line, packets)) + b"0001" + b"0000"
    parser = _Parser()
    found: list[bytes] = []
    position = 0
    while position < len(stream):
        size = cuts[position % len(cuts)]
        found += parser.feed(stream[position : position + size])
        position += size
    assert found == packets
