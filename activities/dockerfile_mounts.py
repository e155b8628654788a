"""What ``RUN --mount`` may not ask of the build engine in people's own Dockerfiles. Pure functions.

Debian's docker.io 20.10 has two faults that such a mount reaches: a race over the path inside a
cache that ``source`` names (CVE-2024-23651), and places of the kernel's that are made, changed or
removed as a mount's target (CVE-2024-23652, and CVE-2025-31133 of runc). A mount that cannot be read
as BuildKit reads it is refused too, since what it asks for is not known.
"""

from __future__ import annotations

import csv
import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from ops.error_codes import ErrorCode
from ops.errors import SourceError

KERNEL = ("/dev", "/proc", "/sys")

LINES = 64
"""Of so many lines an instruction is looked at; flags that go on after them are refused."""

SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""What Go trims. Python's own strip() takes four control characters more."""

_WORD = re.compile(r"\s*(\S+)\s*(.*)", re.ASCII | re.DOTALL)
_ONBUILD = re.compile(r"onbuild", re.IGNORECASE)
_CONTINUED = re.compile(r"\\[ \t]*\r?$")
_SPACE = re.compile(r"\s*", re.ASCII)
_FLAG = re.compile(r"""--(?:[^\s'"\\]|'[^'\\]*'|"[^"\\]*")*+(?=\s|\Z)""", re.ASCII)
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")
_KEY = re.compile(r"[a-z]+")
_FILLED_IN = re.compile(r"""[$'"\\]""")
"""A value with one of these is not what BuildKit makes of it."""


class _Line(NamedTuple):
    """A line without the backslash that continues it; ``set_in``: a # follows its first spaces."""

    text: str
    continued: bool
    left_out: bool
    set_in: bool

    @classmethod
    def of(cls, line: str) -> _Line:
        stripped = line.strip(SPACES)
        left_out = not stripped or line.startswith("#")
        text, continued = _CONTINUED.subn("", line)
        set_in = stripped.startswith("#") and not left_out
        return cls(text.removesuffix("\r"), continued > 0, left_out, set_in)


class _Instruction(NamedTuple):
    word: str
    rest: str
    whole: bool


def check(text: str) -> None:
    """Raises SourceError for a mount that this platform's builds do not make.

    ``text`` has no parser directives, so that a backslash continues a line.
    """
    found = list(_instructions(text))
    targets = [target for one in found if one.word == "run" for target in _targets(one)]
    if any(not target.startswith("/") for target in targets):
        for one in found:
            if one.word == "workdir":
                _check_folder(one.rest)


def _instructions(text: str) -> Iterator[_Instruction]:
    """What each line may begin. More than BuildKit finds: which lines are text of others depends on
    its version (here-documents, two backslashes at an end), and none of them may hide one.
    """
    lines = [_Line.of(line) for line in text.split("\n")]
    for start, line in enumerate(lines):
        # What an empty line continues with is looked at as the next line's own.
        if not line.text.strip(SPACES):
            continue
        window = lines[start : start + LINES]
        at_end = start + LINES >= len(lines)
        for set_in in {line.set_in for line in window} | {False}:
            joined, whole = _joined(window, comments_set_in=set_in)
            word, rest = _split(joined)
            while _ONBUILD.fullmatch(word):
                word, rest = _split(rest)
            yield _Instruction(word.lower(), rest, whole or at_end)


def _joined(lines: list[_Line], *, comments_set_in: bool) -> tuple[str, bool]:
    """The first line with those that continue it, and whether its end is among them.

    BuildKit leaves out empty lines and comments between, and sets no space for a line's end. Its
    versions differ on whether a line is a comment when its # is set in.
    """
    parts = [lines[0].text]
    if not lines[0].continued:
        return parts[0], True
    for line in lines[1:]:
        if line.left_out or (line.set_in and comments_set_in):
            continue
        parts.append(line.text)
        if not line.continued:
            return "".join(parts), True
    return "".join(parts), False


def _split(line: str) -> tuple[str, str]:
    match = _WORD.fullmatch(line.strip(SPACES))
    return (match[1], match[2]) if match else ("", "")


def _targets(run: _Instruction) -> Iterator[str]:
    """Where the mounts of a RUN go, each of them checked."""
    for flag in _flags(run):
        name, _, value = flag.partition("=")
        if name.lower() == "--mount":
            yield from _check_mount(value)


def _flags(run: _Instruction) -> Iterator[str]:
    """The flags before the command, without their quotes."""
    place = 0
    while True:
        place = _end(_SPACE, run.rest, place)
        if place == len(run.rest) and not run.whole:
            _refuse_unreadable("flags over so many lines")
        if not run.rest.startswith("--", place):
            return
        match = _FLAG.match(run.rest, place)
        flag = match[0] if match else run.rest[place:].split(maxsplit=1)[0]
        if match is None or not (flag.isascii() and flag.isprintable()):
            _refuse_unreadable(flag)
        if flag == "--":
            return
        place = match.end()
        yield _QUOTED.sub(lambda quoted: quoted[1] or quoted[2] or "", flag)


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    match = pattern.match(text, place)
    return match.end() if match else place


def _check_mount(value: str) -> Iterator[str]:
    """The targets of one mount. Of a key that is there twice each value counts."""
    options = list(_options(value))
    kinds = [value.lower() for key, value in options if key == "type"]
    for key, given in options:
        if key in ("source", "src", "from") and "cache" in kinds:
            raise SourceError(
                f"the Dockerfile: RUN --mount=type=cache: {key} is refused",
                code=ErrorCode.DOCKERFILE_CACHE_SOURCE,
                values={"option": key},
                hint="leave it out: give each cache an id and a target of its own",
                field="Dockerfile",
            )
        if key in ("target", "dst", "destination"):
            if _is_kernels(given) or (posixpath.isabs(given) and _path(given) == "/"):
                _refuse_target(f"{key}={given}")
            yield given


def _options(value: str) -> Iterator[tuple[str, str]]:
    try:
        fields = next(csv.reader([value], strict=True))
    except csv.Error:
        _refuse_unreadable(value)
    if not fields:
        _refuse_unreadable("a mount without options")
    for field in fields:
        name, _, given = field.partition("=")
        key = name.lower()
        if not _KEY.fullmatch(key):
            _refuse_unreadable(field)
        if key in ("type", "target", "dst", "destination") and _FILLED_IN.search(given):
            _refuse_unreadable(field)
        yield key, given


def _check_folder(folder: str) -> None:
    """A WORKDIR, from which a relative target counts.

    Looked at alone it is enough: the one of a chain that comes to such a place names it.
    """
    plain = folder.strip(SPACES).replace('"', "").replace("'", "")
    if _FILLED_IN.search(plain) or _is_kernels(plain):
        _refuse_target(f"a relative target below WORKDIR {folder}")


def _is_kernels(path: str) -> bool:
    path = _path(path)
    return any(path == place or path.startswith(place + "/") for place in KERNEL)


def _path(path: str) -> str:
    return posixpath.normpath("/" + path.lstrip("/"))


def _refuse_target(option: str) -> NoReturn:
    raise SourceError(
        f"the Dockerfile: RUN --mount: {option[:200]} is refused",
        code=ErrorCode.DOCKERFILE_MOUNT_TARGET,
        values={"option": option[:200]},
        hint="mount it at a folder of its own, outside /dev, /proc and /sys, by its whole path",
        field="Dockerfile",
    )


def _refuse_unreadable(option: str) -> NoReturn:
    raise SourceError(
        f"the Dockerfile: RUN --mount: {option[:200]} cannot be read",
        code=ErrorCode.DOCKERFILE_MOUNT_UNREADABLE,
        values={"option": option[:200]},
        hint="write it plainly, such as --mount=type=cache,target=/root/.npm: without variables, "
        "backslashes and quotes in type and target",
        field="Dockerfile",
    )
