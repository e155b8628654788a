"""Running commands: arguments as a list, secrets by stdin, failures as PlatformError."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ops.errors import PlatformError

TAIL_LINES = 15

#: What child processes may inherit: where programs are, and how this machine reaches the internet.
INHERITED = (
    *("PATH", "LANG", "LC_ALL", "TERM", "HOME"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PIP_CERT"),
    *("PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"),
    *(
        "GOPROXY",
        "GOFLAGS",
        "GOSUMDB",
        "GONOSUMDB",
        "GOTOOLCHAIN",
        "GOCACHE",
        "GOMODCACHE",
        "GOPATH",
    ),
)


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment of children: an allow-list, so that a run does not depend on the caller."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    kept.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    return {**kept, **extra}


def run(
    args: Sequence[str | Path],
    *,
    stdin: str | None = None,
    user: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = 300,
    hint: str = "",
) -> str:
    """Stdout of a command that must succeed; ``user`` drops root's rights first."""
    done = attempt(args, stdin=stdin, user=user, cwd=cwd, env=env, timeout=timeout)
    if done.returncode != 0:
        raise PlatformError(
            f"`{Path(args[0]).name} {' '.join(map(str, args[1:4]))}` ended with {done.returncode}",
            hint=hint,
            log_tail=tail(done.stderr or done.stdout),
        )
    return done.stdout


def attempt(
    args: Sequence[str | Path],
    *,
    stdin: str | None = None,
    user: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = 300,
) -> subprocess.CompletedProcess[str]:
    """Like :func:`run`, for a command that may fail."""
    try:
        return subprocess.run(
            [str(arg) for arg in args],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            cwd=cwd or "/",
            env=dict(env) if env is not None else clean_environment(),
            user=user,
            group=user,
            extra_groups=[] if user else None,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise PlatformError(f"the program {args[0]} is not there", hint="run ops/up") from None
    except subprocess.TimeoutExpired:
        raise PlatformError(f"{Path(args[0]).name} did not end within {timeout:.0f} s") from None


def stream(
    args: Sequence[str | Path],
    on_line: Callable[[str], None],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    hint: str = "",
) -> None:
    """Runs a long command and hands over each line of its output as it comes."""
    lines: list[str] = []
    with subprocess.Popen(
        [str(arg) for arg in args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=cwd or "/",
        env=dict(env) if env is not None else clean_environment(),
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line.rstrip())
                del lines[:-200]
                on_line(lines[-1])
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise PlatformError(
            f"`{Path(args[0]).name} {' '.join(map(str, args[1:3]))}` ended with"
            f" {process.returncode}",
            hint=hint,
            log_tail=lines[-TAIL_LINES:],
        )


def tail(text: str, lines: int = TAIL_LINES) -> list[str]:
    return [line for line in text.splitlines() if line.strip()][-lines:]


def tail_file(path: Path, lines: int = TAIL_LINES) -> list[str]:
    """The last lines of a log, reading only its end."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 64 * 1024))
            return tail(file.read().decode(errors="replace"), lines)
    except FileNotFoundError:
        return []
