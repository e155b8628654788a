"""Why a build failed, for people: from the last lines that buildx printed. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ops.errors import BuildFailed, PlatformError

_STEP = re.compile(
    r"(process \".*\" did not complete successfully|executor failed running \[.*\]): "
    r"exit code: (?P<code>\d+)"
)
"""As BuildKit says it, and as the older one inside Docker 20.10 does."""

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

_STEP_HINTS = (
    (
        re.compile(r"npm (error|ERR!).*(can only install packages when|in sync|EUSAGE)"),
        "package.json and its lockfile differ: run npm install, and commit the lockfile",
    ),
    (
        re.compile(r"npm (error|ERR!) (code )?E?404|No matching version found|ETARGET"),
        "a package or a version of one does not exist; its name is in the last lines",
    ),
    (
        re.compile(r"No matching distribution found|Could not find a version that satisfies"),
        "pip found no such package or version; its name is in the last lines",
    ),
    (
        re.compile(r"ENOTFOUND|EAI_AGAIN|Temporary failure in name resolution|ECONNREFUSED"),
        "the build reached for a server that it cannot reach; builds see only the public internet",
    ),
    (
        re.compile(r"ENOSPC|No space left on device", re.I),
        "the runner's disk is full; tell an administrator",
    ),
    (
        re.compile(r"JavaScript heap out of memory|MemoryError|Cannot allocate memory"),
        "the build needs more memory than it may have",
    ),
    (
        re.compile(r"Resource temporarily unavailable|Cannot fork|EAGAIN"),
        "the build starts more processes than it may",
    ),
)
_SOLVE_HINTS = (
    (
        re.compile(r"\b40[13]\b|unauthorized|denied|insufficient_scope|authorization failed", re.I),
        "FROM names an image that this build may not read: only public images, the platform's base "
        "images and the app's own can be used",
    ),
    (
        re.compile(r"dockerfile parse error|unknown instruction|Dockerfile cannot be empty", re.I),
        "correct the Dockerfile at the line that is named",
    ),
    (
        re.compile(r"not found|manifest unknown|failed to resolve source metadata", re.I),
        "something that the Dockerfile names does not exist: a file to copy, or an image of FROM",
    ),
    (
        re.compile(r"no such host|failed to do request|failed to fetch", re.I),
        "the image of FROM cannot be fetched from its registry",
    ),
)
KILLED = 137


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
            log_tail=list(tail),
        )
    hint = next((hint for pattern, hint in _SOLVE_HINTS if pattern.search(last)), "")
    return BuildFailed(f"the build failed: {_what(last)}", hint=hint, log_tail=list(tail))


def _what(line: str) -> str:
    return _WRAPPING.sub("", line)[:300] or "it ended without saying why"


def _of_step(tail: Sequence[str], code: int) -> BuildFailed:
    text = "\n".join(tail)
    hint = next((hint for pattern, hint in _STEP_HINTS if pattern.search(text)), "")
    if not hint and code == KILLED:
        hint = "the step was killed, most likely because it needed more memory than it may have"
    return BuildFailed(
        f"a step of the build failed with exit code {code}",
        hint=hint or "the last lines of the log say why",
        log_tail=list(tail),
    )
