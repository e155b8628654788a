"""Mounts of RUN that reach a fault of the build engine, however they are written."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities import dockerfile_mounts
from activities.detect import detect
from activities.tree import Tree
from ops.error_codes import ErrorCode
from ops.errors import SourceError

CACHE = ErrorCode.DOCKERFILE_CACHE_SOURCE
TARGET = ErrorCode.DOCKERFILE_MOUNT_TARGET
UNREADABLE = ErrorCode.DOCKERFILE_MOUNT_UNREADABLE


@pytest.mark.parametrize(
    "line",
    [
        "RUN --mount=type=cache,target=/root/.npm npm ci",
        "RUN --mount=type=cache,target=/root/.npm,id=npm,sharing=locked,uid=1000 npm ci",
        'RUN --mount=type=cache,target="/root/.npm",id="a" npm ci',
        "RUN --mount=type=cache,target=/root/.npm --mount=type=cache,target=/root/.cache \\\n  x",
        "RUN --mount=type=bind,source=package.json,target=package.json npm ci",
        "WORKDIR /src\nRUN --mount=target=. go build",
        "WORKDIR '/src'\nRUN --mount=from=build,source=/out,target=/out,ro cp -r /out /app",
        "RUN --mount=type=secret,id=env,target=/run/secrets/env cat /run/secrets/env",
        "RUN --mount=type=secret,id=env cat /run/secrets/env",
        "RUN --mount=type=ssh git clone x",
        "RUN --mount=type=ssh,target=/tmp/agent git clone x",
        "RUN --mount=type=tmpfs,target=/tmp make",
        "RUN --mount=type=bind,target=/device,source=x ls",
        "RUN --mount=type=bind,target=/app/proc ls",
        "RUN --network=none echo --mount=type=cache,source=x,target=/proc",
        "RUN -- --mount=type=cache,source=x,target=/proc",
        "RUN echo 'a\\\\b' \"c\" ü && ls",
        "ONBUILD RUN --mount=type=cache,target=/root/.npm npm ci",
        "WORKDIR $HOME\nWORKDIR /proc\nRUN --mount=type=bind,target=/x ls",
        "# RUN --mount=type=cache,target=/proc",
        "COPY --from=build /out /proc",
    ],
)
def test_ordinary_mounts_stay(line: str) -> None:
    dockerfile_mounts.check(f"FROM scratch\n{line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "RUN --mount=type=cache,target=/x,source=y ls",
        "RUN --mount=type=cache,target=/x,src=y ls",
        "RUN --mount=type=cache,target=/x,from=build ls",
        "RUN --mount=source=y,target=/x,type=cache ls",
        "run --mount=TYPE=Cache,Target=/x,SOURCE=y ls",
        "RUN\t--mount=type=cache,source=y,target=/x ls",
        "  RUN --network=none --mount=type=tmpfs,target=/a --mount=type=cache,src=y,target=/x ls",
        "RUN --mount=type=cache,type=bind,source=y,target=/x ls",
        'RUN --mount="type=cache,source=y,target=/x" ls',
        "RUN --mou'nt=ty'pe=cache,sou\"rce\"=y,target=/x ls",
        "RUN '--mount' ls\nRUN --mount='\"type=cache\",\"source=a,b\",target=/x' ls",
        "RUN --mount=type=cache,\\\nsource=y,target=/x ls",
        "RUN --mou\\\nnt=type=cache,sou\\  \nrce=y,target=/x ls",
        "RU\\\nN --mount=type=cache,source=y,target=/x ls",
        "RUN \\\n\n  \n# a comment\n  # another \\\n --mount=type=cache,source=y,target=/x ls",
        "RUN \\\r\n --mount=type=cache,source=y,target=/x ls\r",
        'RUN --mount="type=cache,target=/x,id=\\\n #,source=y,id=\\\n" ls',
        "RUN echo a\\\\\nRUN --mount=type=cache,source=y,target=/x ls",
        "RUN <<'E\\'\nls\nE\\\nRUN --mount=type=cache,source=y,target=/x ls",
        "ONBUILD RUN --mount=type=cache,source=y,target=/x ls",
        "onBuild \\\n run --mount=type=cache,source=y,target=/x ls",
        "ONBU\u0130LD RUN --mount=type=cache,source=y,target=/x ls",
        "\u00a0RUN --mount=type=cache,source=y,target=/x ls",
    ],
)
def test_no_path_inside_a_cache(line: str) -> None:
    assert refused(line) is CACHE


@pytest.mark.parametrize("key", ["target", "dst", "destination", "DST"])
@pytest.mark.parametrize("kind", ["", "type=bind,", "type=cache,", "type=tmpfs,", "type=secret,"])
@pytest.mark.parametrize(
    "path",
    [
        *("/proc", "/proc/self/x", "/dev/", "/sys", "//proc", "///dev/shm", "/x/../proc"),
        *("/./sys/fs", "/", "//", "/x/..", "proc", "./dev", "../sys", "../../proc/x"),
        *('"/proc"', "'/dev'"),
    ],
)
def test_no_target_that_is_the_kernels(key: str, kind: str, path: str) -> None:
    assert refused(f"RUN --mount={kind}{key}={path} ls") is TARGET


@pytest.mark.parametrize(
    "folder",
    ["/proc", '"/proc"', "/pr'oc'", "proc", "../sys/x", "$PLACE", "/pr\\oc", "\u00a0/proc"],
)
def test_no_relative_target_below_what_is_the_kernels(folder: str) -> None:
    assert refused(f"WORKDIR {folder}\nRUN --mount=target=x ls") is TARGET
    assert refused(f"ONBUILD WORKDIR {folder}\nRUN --mount=target=x ls") is TARGET


@pytest.mark.parametrize(
    "line",
    [
        "RUN --mount=type=bind,target=$PLACE ls",
        "RUN --mount=type=bind,target=/pr${X}oc ls",
        "RUN --mount=type=$KIND,source=y,target=/x ls",
        "RUN --mount=\"target='/proc'\" ls",
        "RUN --mount=target=/pr\\oc ls",
        "RUN --mount=target=/pr\\\\\noc ls",
        "RUN --mount='type=cache,source=y,target=/x ls",
        "RUN --mount= ls",
        "RUN --mount ls",
        "RUN --mount=$ALL ls",
        "RUN --mount='type=cache, source=y',target=/x ls",
        "RUN --mount='\"a\"b=c' ls",
        "RUN --mount=target=/x,id=\u00e0--mount=target=/proc ls",
        "RUN --mount=target=/proc/\\\n\x1c\n../x ls",
        "RUN --mount=target=proc/..\x1c",
        "RUN " + "\\\n" * 100 + "--mount=target=/proc ls",
    ],
)
def test_what_cannot_be_read_is_refused(line: str) -> None:
    assert refused(line) is UNREADABLE


@given(st.text(alphabet="RUN -mount=type=cache,\\'\"\n#/$"))
def test_any_text_is_survived(text: str) -> None:
    with contextlib.suppress(SourceError):
        dockerfile_mounts.check("RUN --mount=" + text)


def test_a_large_file_is_looked_at_in_little_time() -> None:
    before = time.process_time()
    for text in ("RUN a \\\n" * 120_000, "RUN --a" + "'x'" * 300_000 + "'", "\\\n" * 250_000):
        with contextlib.suppress(SourceError):
            dockerfile_mounts.check(text)
    assert time.process_time() - before < 30


def test_an_app_with_such_a_dockerfile_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text("# escape=`\nFROM scratch\nRUN --mount=type=cache,\\\nsource=y,target=/x ls\n")
    with pytest.raises(SourceError) as caught:
        detect(Tree(tmp_path))
    assert caught.value.code is CACHE
    assert caught.value.values == {"option": "source"}


def refused(line: str) -> ErrorCode | None:
    with pytest.raises(SourceError) as caught:
        dockerfile_mounts.check(f"FROM scratch\n{line}\n")
    return caught.value.code
