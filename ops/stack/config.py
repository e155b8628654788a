"""Settings that differ from the defaults, kept beside the data they belong to.

``ops/down``, ``studio`` and every process then see what ``ops/up`` was told by its environment.
"""

from __future__ import annotations

import re
from pathlib import Path

from ops.errors import PlatformError
from ops.settings import Settings
from ops.stack.render import write


def config_file(settings: Settings) -> Path:
    return settings.home / "config.env"


def config_text(settings: Settings) -> str:
    """``config.env``: one line a setting that is not at its default, in single quotes."""
    lines = ["# Written by ops/up from its STUDIO_ environment; environment variables win."]
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if name == "home" or value == field.default:
            continue
        lines.append(f"STUDIO_{name.upper()}={_quoted(name, str(value))}")
    return "\n".join(lines) + "\n"


def _quoted(name: str, value: str) -> str:
    """Both dotenv and the shell of ``ops/down`` must read back the same text."""
    if re.search(r"[\x00-\x1f\x7f'\\]", value):
        raise PlatformError(f"STUDIO_{name.upper()} may not contain quotes or backslashes")
    return f"'{value}'"


def keep_settings(settings: Settings) -> None:
    settings.home.mkdir(parents=True, exist_ok=True)
    write(config_file(settings), config_text(settings))
