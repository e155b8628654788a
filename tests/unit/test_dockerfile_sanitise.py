"""No Dockerfile of a person can name another frontend, and its FROM lines are known."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.dockerfile import base_images, exposed_port, sanitise, with_environment

DIRECTIVE = re.compile(r"^[ \t]*(#|//)\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$")


def directives(text: str) -> list[str]:
    """What BuildKit would take for parser directives, read at least as loosely as it does."""
    found = []
    for line in text.removeprefix("\ufeff").split("\n"):
        match = DIRECTIVE.match(line)
        if match is None and line.strip() and not line.startswith("#!"):
            break
        if match is not None:
            found.append(match[2])
    return found


LINES = st.sampled_from(
    [
        "# syntax=evil/frontend",
        "#syntax = evil/frontend",
        "# escape=`",
        "# check=skip=all",
        "// syntax=evil/frontend",
        "#!/usr/bin/env x",
        "\ufeff# syntax=evil",
        "\ufeff",
        "  # syntax=evil\r",
        "# plain comment",
        "",
        "   ",
        "FROM scratch",
        "\x0b# syntax=evil",
        "\u2028# syntax=evil",
    ]
)


@given(st.lists(LINES | st.text(max_size=20)).map("\n".join))
def test_no_directive_is_left_and_lines_keep_their_numbers(text: str) -> None:
    cleaned = sanitise(text)
    assert directives(cleaned) == []
    assert cleaned.count("\n") == text.count("\n")
    assert sanitise(cleaned) == cleaned


def test_what_follows_the_first_instruction_stays() -> None:
    text = "# syntax=x\n# escape=`\n\nFROM a\n# b=c\nRUN echo '# syntax=x'\n"
    assert sanitise(text) == "#\n#\n\nFROM a\n# b=c\nRUN echo '# syntax=x'\n"


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("FROM node:24\n", ["node:24"]),
        ("from node:24 as Build\nFROM build\nCOPY --from=build /a /b\n", ["node:24"]),
        ("FROM --platform=linux/amd64 a\nFROM b AS c\nCOPY --from=0 x y\nCOPY --from=d x y", "abd"),
        ("ARG V=24\nFROM node:${V}\nFROM node:$V\nFROM n:${W:-1}", ["node:24", "n:1"]),
        ("FROM \\\n  a\n# FROM b\nRUN --mount=type=bind,from=c,target=/x ls --from=d", "ac"),
        ("FROM scratch", ["scratch"]),
        ("RUN true", []),
        ("", []),
    ],
)
def test_base_images(text: str, images: list[str] | str) -> None:
    assert base_images(text, {}) == list(images)


def test_base_images_with_build_arguments() -> None:
    assert base_images("ARG V=1\nFROM a:$V", {"V": "2"}) == ["a:2"]


@given(st.text())
def test_any_text_has_base_images(text: str) -> None:
    base_images(text, {})
    exposed_port(text)


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("FROM a\nEXPOSE 8080", 8080),
        ("FROM a\nEXPOSE 8080/tcp", 8080),
        ("FROM a\nEXPOSE 1\nFROM b\nEXPOSE 8000", 8000),
        ("FROM a\nEXPOSE 80", None),
        ("FROM a\nEXPOSE 8000 9000", None),
        ("FROM a\nEXPOSE $PORT", None),
        ("FROM a", None),
    ],
)
def test_exposed_port(text: str, port: int | None) -> None:
    assert exposed_port(text) == port


def test_a_step_that_mounts_a_secret_is_built_again_when_the_environment_changes() -> None:
    text = "from a \\\n  AS b\nRUN --mount=type=secret,id=env make\nFROM c\n"
    assert with_environment(text) == (
        "from a \\\n  AS b\nARG STUDIO_ENV\nRUN --mount=type=secret,id=env make\n"
        "FROM c\nARG STUDIO_ENV\n"
    )
    assert with_environment("FROM a\nRUN make\n") == "FROM a\nRUN make\n"


HERE_DOCUMENTS = """\
FROM a
RUN --mount=type=secret,id=env <<ONE cat >q.sql \\
  # a comment between
  && cat <<-'TWO'
select *
FROM users
ONE
\tFROM old
\tTWO
COPY <<"THREE" /etc/x
FROM b
  THREE
THREE
FROM c
RUN echo $((1<<2)) "a <<EOF b" && cat <<<d
FROM e
"""


def test_a_here_document_is_text() -> None:
    assert base_images(HERE_DOCUMENTS, {}) == ["a", "c", "e"]
    expected = HERE_DOCUMENTS
    for image in "ace":
        expected = expected.replace(f"FROM {image}\n", f"FROM {image}\nARG STUDIO_ENV\n")
    assert with_environment(HERE_DOCUMENTS) == expected


@given(st.lists(st.sampled_from(HERE_DOCUMENTS.split("\n"))).map("\n".join))
def test_no_line_is_lost(text: str) -> None:
    lines = with_environment(text).split("\n")
    assert [line for line in lines if line != "ARG STUDIO_ENV"] == text.split("\n")
