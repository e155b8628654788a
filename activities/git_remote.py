"""Reading a commit from the source server: git's smart HTTP protocol, version 2, asynchronously.

Two requests: which commit a ref is (none for a full commit id), and a pack of that commit alone.
Async, so that a cancel ends it at once. The token travels in a header only.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import BinaryIO

import httpx
from dulwich.protocol import pkt_line
from pydantic import SecretStr

from ops.error_codes import ErrorCode
from ops.errors import PlatformError, SourceError, StudioError
from ops.validation import git_ref

TIMEOUT = httpx.Timeout(20, connect=2)
REFS_BYTES = 8 * 1024 * 1024
SHOWN_REFS = 10

_COMMIT = re.compile(r"[0-9a-f]{40}")
_ABBREVIATED = re.compile(r"[0-9a-f]{4,39}")
_DELIMITER = b"0001"
_PACK, _PROGRESS, _FATAL = 1, 2, 3


class GitRemote:
    """Keeps its connection to the source server. Raises PlatformError while that is away."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, transport=transport)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def resolve(self, url: str, token: SecretStr, ref: str) -> str:
        """The object that a branch, a tag or a whole commit id names. Raises SourceError, Invalid."""
        git_ref(ref)
        if _COMMIT.fullmatch(ref):
            return ref
        names = [f"refs/heads/{ref}", f"refs/tags/{ref}"]
        if ref == "HEAD" or ref.startswith(("refs/heads/", "refs/tags/")):
            names = [ref]
        found = await self._refs(url, token, names)
        for name in names:
            if name in found:
                return found[name]
        raise await self._unknown(url, token, ref)

    async def download(
        self,
        url: str,
        token: SecretStr,
        commit: str,
        pack: BinaryIO,
        *,
        pack_bytes: int,
        file_bytes: int,
    ) -> None:
        """Writes a pack of one commit without its history; larger files than ``file_bytes`` stay out.

        Raises SourceError when there is no such commit or the pack is larger than ``pack_bytes``.
        """
        body = _request(
            b"fetch",
            [
                b"ofs-delta\n",
                b"filter blob:limit=%d\n" % file_bytes,
                b"want %s\n" % commit.encode(),
                b"deepen 1\n",
                b"done\n",
            ],
        )
        received = 0
        in_pack = False
        async for packet in self._packets(url, token, body):
            if not in_pack:
                in_pack = packet == b"packfile\n"
                continue
            channel, data = packet[0], packet[1:]
            if channel == _FATAL:
                raise PlatformError(f"the source server says: {_shown(data)}")
            if channel != _PACK:
                continue
            received += len(data)
            if received > pack_bytes:
                raise too_large(pack_bytes)
            pack.write(data)
        if not in_pack:
            raise PlatformError("the source server sent no pack")

    async def _refs(self, url: str, token: SecretStr, prefixes: Iterable[str]) -> dict[str, str]:
        """Refs by name; a tag that has an object of its own counts as what it points to."""
        arguments = [b"peel\n", *(b"ref-prefix %s\n" % name.encode() for name in prefixes)]
        found: dict[str, str] = {}
        size = 0
        async for packet in self._packets(url, token, _request(b"ls-refs", arguments)):
            size += len(packet)
            if size > REFS_BYTES:
                raise SourceError(
                    "the repository has too many branches and tags",
                    code=ErrorCode.TOO_MANY_REFS,
                )
            sha, name, *more = packet.decode(errors="replace").rstrip("\n").split(" ")
            peeled = [part.removeprefix("peeled:") for part in more if part.startswith("peeled:")]
            found[name] = peeled[0] if peeled else sha
        return found

    async def _unknown(self, url: str, token: SecretStr, ref: str) -> SourceError:
        branches = [
            name.removeprefix("refs/heads/")
            for name in await self._refs(url, token, ["refs/heads/"])
        ]
        if not branches:
            return SourceError(
                "the repository is empty",
                code=ErrorCode.REPOSITORY_EMPTY,
                hint="commit something and push it",
                field="ref",
            )
        more = ", …" if len(branches) > SHOWN_REFS else ""
        shown = ", ".join(branches[:SHOWN_REFS]) + more
        hint = f"there are the branches {shown}"
        if _ABBREVIATED.fullmatch(ref):
            hint = "a commit is named by all 40 characters of its id"
        return SourceError(
            f"there is no branch, tag or commit {ref}",
            code=ErrorCode.REF_MISSING,
            values={"ref": ref, "branches": shown},
            hint=hint,
            field="ref",
        )

    async def _packets(self, url: str, token: SecretStr, body: bytes) -> AsyncIterator[bytes]:
        """The answer's packets, flushes left out. Raises what the server says as errors of ours."""
        parser = _Parser()
        try:
            async with self._http.stream(
                "POST",
                f"{url}/git-upload-pack",
                content=body,
                headers={
                    "Git-Protocol": "version=2",
                    "Content-Type": "application/x-git-upload-pack-request",
                    "Accept": "application/x-git-upload-pack-result",
                },
                auth=("runner", token.get_secret_value()),
            ) as response:
                if response.status_code != httpx.codes.OK:
                    raise _refused(response.status_code)
                async for data in response.aiter_bytes():
                    for packet in parser.feed(data):
                        if packet.startswith(b"ERR "):
                            raise _said(packet[4:])
                        yield packet
        except httpx.TransportError as error:
            raise PlatformError(
                f"the source server does not answer ({type(error).__name__})",
                hint="it is tried again by itself",
            ) from None


class _Parser:
    """Takes packets out of a stream. Flushes and delimiters are left out: the order says enough."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._data += data
        position = 0
        while len(self._data) - position >= 4:
            try:
                size = int(self._data[position : position + 4], 16)
            except ValueError:
                raise PlatformError("the source server answers nonsense") from None
            if size > len(self._data) - position:
                break
            if size > 4:
                yield bytes(self._data[position + 4 : position + size])
            position += max(size, 4)
        del self._data[:position]


def too_large(limit: int) -> SourceError:
    return SourceError(
        f"the repository is larger than {limit // (1024 * 1024)} MB",
        code=ErrorCode.REPOSITORY_TOO_LARGE,
        values={"limit": limit // (1024 * 1024)},
        hint="keep large files out of Git: in the database, or fetched when the app is built",
    )


def _request(command: bytes, arguments: list[bytes]) -> bytes:
    return b"".join(
        [
            pkt_line(b"command=%s\n" % command),
            pkt_line(b"object-format=sha1\n"),
            _DELIMITER,
            *map(pkt_line, arguments),
            pkt_line(None),
        ]
    )


def _shown(message: bytes) -> str:
    return message.decode(errors="replace").strip()[:200]


def _said(message: bytes) -> StudioError:
    if b"not our ref" in message:
        return SourceError(
            "there is no such commit in the repository",
            code=ErrorCode.COMMIT_MISSING,
            hint="was it pushed?",
            field="ref",
        )
    return PlatformError(f"the source server says: {_shown(message)}")


def _refused(status: int) -> StudioError:
    if status == httpx.codes.NOT_FOUND:
        return SourceError(
            "the app's repository is not there",
            code=ErrorCode.REPOSITORY_MISSING,
            hint="was the app deleted?",
        )
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return PlatformError("the source server refuses the runner's token", hint="run ops/up")
    return PlatformError(f"the source server answered {status}")
