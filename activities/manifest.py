"""``studio.toml``: what an app may say about itself. Every key is optional.

port = 3000                 # where the app listens (it also gets it as PORT)
health_path = "/healthz"    # answered below 500 when the app is well
command = "python -m shop"  # starts the app, instead of what is detected

[build_args]                # ARG values of the Dockerfile
FLAVOUR = "dark"
"""

from __future__ import annotations

import re
import tomllib
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from activities.tree import Tree
from ops.error_codes import ErrorCode
from ops.errors import SourceError

FILE = "studio.toml"
DEFAULT_PORT = 3000
LOWEST_PORT, HIGHEST_PORT = 1024, 65535
DEFAULT_HEALTH_PATH = "/"

_HEALTH_PATH = re.compile(r"/(?!/)[!-~]{0,511}")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_RESERVED_ARG = re.compile(r"BUILDKIT_|STUDIO_|DOCKER_|BASE_PATH$", re.IGNORECASE)


def _health_path(value: str) -> str:
    if _HEALTH_PATH.fullmatch(value) is None or "://" in value or "\\" in value:
        raise PydanticCustomError(
            "health_path",
            "must be a path like /healthz: one leading slash, printable characters without spaces, "
            "up to 512",
        )
    return value


def _argument(name: str) -> str:
    if _IDENTIFIER.fullmatch(name) is None:
        raise PydanticCustomError("build_arg", "is not a name: letters, digits and _ are possible")
    if _RESERVED_ARG.match(name):
        raise PydanticCustomError("reserved_arg", "is a name that the platform keeps for itself")
    return name


def _one_line(value: str) -> str:
    if not value.isprintable() or not value.strip():
        raise PydanticCustomError("one_line", "must be one line of text")
    return value


class Manifest(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    port: int | None = Field(default=None, ge=LOWEST_PORT, le=HIGHEST_PORT)
    health_path: Annotated[str, AfterValidator(_health_path)] | None = None
    command: Annotated[str, Field(max_length=4096), AfterValidator(_one_line)] | None = None
    build_args: dict[
        Annotated[str, AfterValidator(_argument)],
        Annotated[str, Field(max_length=4096), AfterValidator(_one_line)],
    ] = Field(default={}, max_length=50)


_KEYS = ", ".join(Manifest.model_fields)
_CODES = {
    "extra_forbidden": ErrorCode.MANIFEST_UNKNOWN_KEY,
    "health_path": ErrorCode.MANIFEST_HEALTH_PATH,
    "build_arg": ErrorCode.MANIFEST_BUILD_ARG,
    "reserved_arg": ErrorCode.MANIFEST_RESERVED_ARG,
    "one_line": ErrorCode.MANIFEST_ONE_LINE,
}
"""What is wrong with a key, by pydantic's name of it or ours."""


def parse(text: str) -> Manifest:
    """Raises SourceError that names the key."""
    try:
        return Manifest.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SourceError(
            f"{FILE} is not TOML: {error}",
            code=ErrorCode.MANIFEST_UNREADABLE,
            values={"why": str(error)},
            hint='it is read like `port = 3000` or `health_path = "/healthz"`, a key a line',
            field=FILE,
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"] if part != "[key]") or FILE
        why = first["msg"][:1].lower() + first["msg"][1:]
        if first["type"] == "extra_forbidden":
            why = f"is not known; there are {_KEYS}"
        code = ErrorCode.MANIFEST_PORT if key == "port" else _CODES.get(first["type"])
        raise SourceError(
            f"{FILE}: {key[:100]!r}: {why}",
            code=code or ErrorCode.MANIFEST_INVALID,
            values={
                "key": key[:100],
                "why": why,
                "known": _KEYS,
                "lowest": LOWEST_PORT,
                "highest": HIGHEST_PORT,
            },
            hint=f"correct {key[:100]!r}",
            field=key[:100],
        ) from None


def load(tree: Tree) -> Manifest:
    text = tree.read(FILE)
    return Manifest() if text is None else parse(text)
