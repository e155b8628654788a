"""Configuration files from the templates beside this file, with values that cannot be tricked.

Every string in a template goes through one of the filters here, each of which knows how its format
quotes; a string that went through none is an error, so that none can be forgotten.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from yaml import safe_dump

TEMPLATES = Path(__file__).parent / "templates"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@,+=~%-]*")


class Rendered(str):
    """Text that a filter has made safe for the format of its template."""


class UnsafeValue(ValueError):
    """A value that the format has no way to hold."""


def _checked(value: object) -> str:
    text = str(value)
    if _CONTROL.search(text):
        raise UnsafeValue("a configuration value may not contain control characters")
    return text


def plain(value: object) -> Rendered:
    """For formats where only a value without any special character is certain."""
    text = _checked(value)
    if not _PLAIN.fullmatch(text):
        raise UnsafeValue(f"{text!r} may only contain letters, digits and ._/:@,+=~%-")
    return Rendered(text)


def yaml(value: object) -> Rendered:
    """On one line, every string in double quotes with all that is not plain ASCII escaped."""
    if isinstance(value, dict):
        return Rendered("{" + ", ".join(f"{yaml(k)}: {yaml(v)}" for k, v in value.items()) + "}")
    if isinstance(value, list | tuple):
        return Rendered("[" + ", ".join(yaml(item) for item in value) + "]")
    if isinstance(value, int):
        return Rendered(str(value))
    return Rendered(safe_dump(str(value), default_style='"', width=float("inf")).strip())


def ini(value: object) -> Rendered:
    """Gitea's INI: backquotes hold everything but a backquote."""
    text = _checked(value)
    if _PLAIN.fullmatch(text):
        return Rendered(text)
    if "`" in text:
        raise UnsafeValue(f"{text!r} may not contain a backquote")
    return Rendered(f"`{text}`")


def sql_config(value: object) -> Rendered:
    """postgresql.conf: single quotes, doubled inside."""
    text = _checked(value).replace("\\", "\\\\").replace("'", "''")
    return Rendered(f"'{text}'")


def nginx(value: object, tail: str = "") -> Rendered:
    """An nginx argument in double quotes; ``$`` cannot be quoted there, so it is refused.

    ``tail`` is the template's own, and may name variables.
    """
    text = _checked(value)
    if "$" in text:
        raise UnsafeValue(f"{text!r} may not contain $")
    return Rendered('"' + text.replace("\\", "\\\\").replace('"', '\\"') + tail + '"')


def pattern(value: object) -> Rendered:
    """A host name as part of an nginx regular expression."""
    text = _checked(value)
    if not re.fullmatch(r"[A-Za-z0-9.-]+", text):
        raise UnsafeValue(f"{text!r} is not a host name")
    return Rendered(text.replace(".", r"\."))


def supervisor_command(args: Sequence[object]) -> Rendered:
    """``command=``: split like a shell by supervisor, after ``%(…)s`` and ``;`` comments."""
    return _supervisor(shlex.join(_checked(arg) for arg in args))


def supervisor_environment(values: Mapping[str, str]) -> Rendered:
    parts = []
    for name, value in sorted(values.items()):
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or '"' in value or "\\" in value:
            raise UnsafeValue(f"{name} cannot be an environment variable of a program")
        parts.append(f'{name}="{_checked(value)}"')
    return _supervisor(",".join(parts))


def _supervisor(text: str) -> Rendered:
    if re.search(r"\s[;#]", text):
        raise UnsafeValue("supervisor would take ; or # after a space as a comment")
    return Rendered(text.replace("%", "%%"))


def shell(value: object) -> Rendered:
    """One word of a POSIX shell."""
    return Rendered(shlex.quote(_checked(value)))


def systemd_command(args: Sequence[object]) -> Rendered:
    """``ExecStart=``: each argument in quotes, of which systemd expands nothing."""
    return Rendered(" ".join(_systemd(arg).replace("$", "$$") for arg in args))


def systemd_environment(values: Mapping[str, str]) -> Rendered:
    """``Environment=``: each ``NAME=value`` in quotes; a ``$`` means nothing there."""
    return Rendered(" ".join(_systemd(f"{name}={value}") for name, value in values.items()))


def _systemd(value: object) -> str:
    text = _checked(value)
    for special, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%")):
        text = text.replace(special, written)
    return f'"{text}"'


def _only_rendered(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Rendered):
        raise UnsafeValue(f"{value!r} went into a template without a filter")
    return value


def render(template: str, **values: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - no HTML here; _only_rendered takes autoescape's place
        finalize=_only_rendered,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for escape in (
        plain,
        yaml,
        ini,
        sql_config,
        nginx,
        pattern,
        supervisor_command,
        supervisor_environment,
        shell,
        systemd_command,
        systemd_environment,
    ):
        environment.filters[escape.__name__] = escape
    return environment.get_template(template).render(**values)


def write(path: Path, text: str, *, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> bool:
    """Replaces a file in one move, with its mode from the start. True when the text is new."""
    old = path.read_text() if path.is_file() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.chown(draft, *owner)
    draft.chmod(mode)
    draft.replace(path)
    return old != text
