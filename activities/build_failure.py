"""Why a build failed, for people: from the last lines that buildx printed. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ops.error_codes import ErrorCode
from ops.errors import BuildFailed, PlatformError

_STEP = re.compile(
    r"(process \".*\" did not complete successfully|executor failed running \[.*\]): "
    r"exit code: (?P<code>\d+)"
)
"""As BuildKit says it, and as the older one inside Docker 20.10 does."""

_STEP_FAILED = re.compile(r"#\d+ ERROR: ")
"""Ends what a step printed, of which each line has its time there. buildx then shows its end once
more, and the step's lines of the Dockerfile."""

SHOWN = 40
"""Lines of a failure that people get to see."""

_WRAPPING = re.compile(
    r"^(ERROR: |failed to build: |failed to solve( with frontend [\w.]+)?: "
    r"|rpc error: code = \w+ desc = |failed to create LLB definition: )+"
)
_OURS = re.compile(
    r"Cannot connect to the Docker daemon|error reading from server|transport is closing"
    r"|connection reset by peer|use of closed network connection|no builder .* found"
    r"|rpc error: code = (Unavailable|Canceled)"
)
_UNREACHABLE = re.compile(r"connection refused|i/o timeout|no route to host|EOF")


@dataclass(frozen=True)
class _Cause:
    """What lines look like that tell why, and what a person can do about it."""

    pattern: re.Pattern[str]
    code: ErrorCode
    hint: str


_STEP_CAUSES = (
    _Cause(
        re.compile(r"npm (error|ERR!).*(can only install packages when|in sync|EUSAGE)"),
        code=ErrorCode.BUILD_LOCKFILE,
        hint="package.json and its lockfile differ: run npm install, and commit the lockfile",
    ),
    _Cause(
        re.compile(r"npm (error|ERR!) (code )?E?404|No matching version found|ETARGET"),
        code=ErrorCode.BUILD_PACKAGE,
        hint="a package or a version of one does not exist; its name is in the last lines",
    ),
    _Cause(
        re.compile(r"No matching distribution found|Could not find a version that satisfies"),
        code=ErrorCode.BUILD_PACKAGE,
        hint="pip found no such package or version; its name is in the last lines",
    ),
    _Cause(
        re.compile(r"ENOTFOUND|EAI_AGAIN|Temporary failure in name resolution|ECONNREFUSED"),
        code=ErrorCode.BUILD_NETWORK,
        hint="the build reached for a server that it cannot reach; builds see only the public internet",
    ),
    _Cause(
        re.compile(r"ENOSPC|No space left on device", re.I),
        code=ErrorCode.BUILD_DISK,
        hint="the runner's disk is full; tell an administrator",
    ),
    _Cause(
        re.compile(r"JavaScript heap out of memory|MemoryError|Cannot allocate memory"),
        code=ErrorCode.BUILD_MEMORY,
        hint="the build needs more memory than it may have",
    ),
    _Cause(
        re.compile(r"Resource temporarily unavailable|Cannot fork|EAGAIN"),
        code=ErrorCode.BUILD_PROCESSES,
        hint="the build starts more processes than it may",
    ),
)
_SOLVE_CAUSES = (
    _Cause(
        re.compile(r"\b40[13]\b|unauthorized|denied|insufficient_scope|authorization failed", re.I),
        code=ErrorCode.BUILD_FROM_REFUSED,
        hint="FROM names an image that this build may not read: only public images, the platform's "
        "base images and the app's own can be used",
    ),
    _Cause(
        re.compile(r"dockerfile parse error|unknown instruction|Dockerfile cannot be empty", re.I),
        code=ErrorCode.BUILD_DOCKERFILE,
        hint="correct the Dockerfile at the line that is named",
    ),
    _Cause(
        re.compile(r"not found|manifest unknown|failed to resolve source metadata", re.I),
        code=ErrorCode.BUILD_NAMES_NOTHING,
        hint="something that the Dockerfile names does not exist: a file to copy, or an image of FROM",
    ),
    _Cause(
        re.compile(r"no such host|failed to do request|failed to fetch", re.I),
        code=ErrorCode.BUILD_FROM_AWAY,
        hint="the image of FROM cannot be fetched from its registry",
    ),
)
KILLED = 137
_KILLED = _Cause(
    re.compile(""),
    code=ErrorCode.BUILD_MEMORY,
    hint="the step was killed, most likely because it needed more memory than it may have",
)


def explain(tail: Sequence[str], own_address: str) -> BuildFailed | PlatformError:
    """The error of a build that ended with these lines.

    ``own_address`` is where our registry and 7002 listen: when the build cannot reach them, it is
    not its fault, and it is tried again. What a step printed itself is never taken for that.
    """
    last = next((line for line in reversed(tail) if line.startswith("ERROR: ")), "")
    step = _STEP.search(last)
    if step is not None:
        return _of_step(tail, int(step["code"]))
    if _OURS.search(last) or (own_address in last and _UNREACHABLE.search(last)):
        return PlatformError(
            f"the build was interrupted: {_what(last)}",
            hint="it is tried again by itself",
            log_tail=shown(tail),
        )
    what = f"the build failed: {_what(last)}"
    cause = next((cause for cause in _SOLVE_CAUSES if cause.pattern.search(last)), None)
    if cause is None:
        return BuildFailed(what, code=ErrorCode.BUILD_FAILED, log_tail=shown(tail))
    return BuildFailed(what, code=cause.code, hint=cause.hint, log_tail=shown(tail))


def shown(tail: Sequence[str]) -> list[str]:
    """The last lines that tell people something: without those that buildx repeats."""
    failed = next((at for at, line in enumerate(tail, 1) if _STEP_FAILED.match(line)), len(tail))
    return list(tail[:failed])[-SHOWN:]


def _what(line: str) -> str:
    return _WRAPPING.sub("", line)[:300] or "it ended without saying why"


def _of_step(tail: Sequence[str], code: int) -> BuildFailed:
    text = "\n".join(tail)
    cause = next((cause for cause in _STEP_CAUSES if cause.pattern.search(text)), None)
    if cause is None and code == KILLED:
        cause = _KILLED
    what = f"a step of the build failed with exit code {code}"
    if cause is None:
        return BuildFailed(
            what,
            code=ErrorCode.BUILD_STEP,
            values={"exit_code": code},
            hint="the last lines of the log say why",
            log_tail=shown(tail),
        )
    return BuildFailed(what, code=cause.code, hint=cause.hint, log_tail=shown(tail))
