"""Dockerfiles: the templates filled in, and what has to be known of people's own. Pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import ops

TEMPLATES = Path(ops.__path__[0]) / "images" / "templates"

ENV_ARG = "STUDIO_ENV"
"""A build argument that changes with the environment that is flagged for the build."""

IGNORED = (
    *(".git", "**/node_modules", ".venv", "**/__pycache__", "studio.toml"),
    *("Dockerfile", ".dockerignore", ".studio-site"),
)
"""What a template never copies into an image, whatever the repository's .dockerignore says."""

_FLAG = re.compile(r"--[a-z]+(=\S*)?\s+")
_VARIABLE = re.compile(r"\$(?:\{(?P<name>\w+)(?::?-(?P<default>[^}]*))?\}|(?P<bare>\w+))")
_SOURCE = re.compile(r"(?:^|\s)--(from|mount)=(\S+)")
_PORT = re.compile(r"(\d{1,5})(/tcp)?")
_WITH_TEXT = re.compile(r"\s*(?:ONBUILD\s+)*(?:RUN|COPY|ADD)\s", re.IGNORECASE)
_QUOTED = re.compile(r"""(?<!<<)(?<!<<-)(?:"[^"]*"|'[^']*')""")
_TEXT_BEGINS = re.compile(r"""(?:^|\s)\d*<<(-?)(['"]?)([^\s'"<>|&;]+)\2(?=\s|$)""")


def sanitise(text: str) -> str:
    """The Dockerfile without parser directives; its lines keep their numbers.

    A ``# syntax=`` line names an image that BuildKit would run in place of its own parser. They
    count only before the first instruction, so every comment up there is emptied.
    """
    lines = text.lstrip("\ufeff").split("\n")
    for index, line in enumerate(lines):
        stripped = line.strip()
        if stripped and not stripped.startswith(("#", "//")):
            break
        lines[index] = "#" if stripped else ""
    return "\n".join(lines)


def with_environment(text: str) -> str:
    """The Dockerfile with ``ARG STUDIO_ENV`` in every stage, when a step of it mounts a secret.

    Secrets are not part of BuildKit's cache key: without it, a step would keep what it made with
    the values of before. Other Dockerfiles stay as they are.
    """
    if "type=secret" not in text:
        return text
    lines: list[str] = []
    in_from = False
    for line, is_text in _lines(text):
        lines.append(line)
        if is_text:
            continue
        in_from = in_from or re.match(r"\s*FROM\s", line, re.IGNORECASE) is not None
        if in_from and not line.rstrip().endswith("\\"):
            lines.append(f"ARG {ENV_ARG}")
            in_from = False
    return "\n".join(lines)


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """``(FROM, "node:24 AS build")``…: comments and here-documents left out, continued lines joined."""
    pending = ""
    for line, is_text in _lines(sanitise(text)):
        if is_text or line.lstrip().startswith("#"):
            continue
        pending += line.strip()
        if pending.endswith("\\"):
            pending = pending[:-1] + " "
            continue
        word, _, rest = pending.partition(" ")
        pending = ""
        if word:
            yield word.upper(), rest.strip()


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is one of a here-document (``RUN <<END``), its last one among them."""
    ends: list[tuple[bool, str]] = []
    takes_text = continued = False
    for line in text.split("\n"):
        if ends and not continued:
            yield line, True
            indented, end = ends[0]
            if (line.lstrip("\t") if indented else line).rstrip("\r") == end:
                ends.pop(0)
            continue
        yield line, False
        if line.lstrip().startswith("#"):
            continue
        takes_text = takes_text if continued else _WITH_TEXT.match(line) is not None
        if takes_text:
            ends += [
                (dash == "-", end) for dash, _, end in _TEXT_BEGINS.findall(_QUOTED.sub("", line))
            ]
        continued = line.rstrip().endswith("\\")


def base_images(text: str, build_args: Mapping[str, str]) -> list[str]:
    """The images that a build starts from or copies from, in order, each once.

    Variables are filled in from ``ARG`` defaults and ``build_args`` as far as they are known.
    Empty only when there is no FROM at all.
    """
    known: dict[str, str] = {}
    stages: set[str] = set()
    count = 0
    images: dict[str, None] = {}
    for word, rest in instructions(text):
        named: list[str] = []
        if word == "ARG" and count == 0:
            name, _, default = rest.partition("=")
            known[name] = build_args.get(name, default.strip("\"'"))
        elif word == "FROM":
            parts = _FLAG.sub("", rest).split() or [""]
            named = [_filled(parts[0], known)]
        else:
            named = list(_copied_from(word, rest))
        images |= {name: None for name in named if name.lower() not in stages}
        if word == "FROM":
            stages.add(str(count))
            count += 1
            if len(parts) == 3 and parts[1].upper() == "AS":
                stages.add(parts[2].lower())
    return list(images)


def _copied_from(word: str, rest: str) -> Iterator[str]:
    for flag, value in _SOURCE.findall(rest):
        if word == "COPY" and flag == "from":
            yield value
        elif word == "RUN" and flag == "mount":
            options = dict(part.partition("=")[::2] for part in value.split(","))
            if options.get("from"):
                yield options["from"]


def _filled(image: str, known: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match["name"] or match["bare"]
        return known.get(name) or match["default"] or ""

    return _VARIABLE.sub(value, image)


def exposed_port(text: str) -> int | None:
    """The port that the last stage exposes, when it is exactly one that an app may use."""
    ports: set[int] = set()
    for word, rest in instructions(text):
        if word == "FROM":
            ports = set()
        elif word == "EXPOSE":
            for part in rest.split():
                match = _PORT.fullmatch(part)
                if match is None:
                    return None
                ports.add(int(match[1]))
    port = next(iter(ports)) if len(ports) == 1 else 0
    return port if 1024 <= port <= 65535 else None


def ignore(own: str | None) -> str:
    """The .dockerignore of a template's build: the repository's own rules, then ours."""
    return "\n".join([*(own or "").splitlines(), *IGNORED, ""])


def render(template: str, **values: Any) -> str:
    return _templates().get_template(f"{template}.Dockerfile").render(**values)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,  # noqa: S701 - these are Dockerfiles; what people wrote goes in as JSON
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["tojson"] = json.dumps
    return environment
