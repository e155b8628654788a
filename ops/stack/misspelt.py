"""Variables that look like settings and are none, which would be ignored without a word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

from ops.settings import Settings
from ops.stack.programs import CHECKOUT

PREFIX = "STUDIO_"
ALIKE = 0.7
_READ = re.compile(
    r'environ(?:\.get\(|\[)"(STUDIO_\w+)"'  # Python's ways of reading one
    r'|"(STUDIO_\w+)" in os\.environ'
    r"|\$\{?(STUDIO_\w+)"  # and the shell's
)


def warnings(environment: Iterable[str], config: Path) -> list[str]:
    """What to say of the names in the environment, and of those in ``config.env``."""
    settings = {PREFIX + name.upper() for name in Settings.model_fields}
    kept = config.read_text() if config.is_file() else ""
    given = {*environment, *re.findall(r"^\s*(?:export\s+)?(\w+)\s*=", kept, re.MULTILINE)}
    odd = sorted(name for name in given if name.upper().startswith(PREFIX))
    odd = [name for name in odd if name.upper() not in settings]
    others = set(read_by_scripts()) if odd else set()
    return [_told(name, settings | others) for name in odd if name.upper() not in others]


def read_by_scripts() -> Iterator[str]:
    """What is no setting, and means something to a script, to the command line or to a test."""
    ops = [path for path in (CHECKOUT / "ops").iterdir() if path.suffix in ("", ".sh", ".py")]
    for path in (*ops, *(CHECKOUT / "tests").rglob("*.py")):
        if path.is_file():
            for found in _READ.finditer(path.read_text()):
                yield next(name for name in found.groups() if name)


def _told(name: str, known: Iterable[str]) -> str:
    bare = {one.removeprefix(PREFIX): one for one in known}
    near = get_close_matches(name.upper().removeprefix(PREFIX), bare, n=1, cutoff=ALIKE)
    hint = f"did you mean {bare[near[0]]}?" if near else "ops/settings.py has them all"
    return f"{name} is no setting and changes nothing: {hint}"
