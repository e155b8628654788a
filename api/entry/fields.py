"""The kinds of values in the API's bodies. Times are UTC; unknown fields in a request are refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, SecretStr
from pydantic_core import PydanticCustomError

from ops import validation
from ops.errors import Invalid
from ops.passwords import MAX_LENGTH


def _checked(check: Callable[[str], str]) -> AfterValidator:
    """A rule of ``ops/validation.py`` as pydantic takes it."""

    def run(value: str) -> str:
        try:
            return check(value)
        except Invalid as refusal:
            what = refusal.what + (f" ({refusal.hint})" if refusal.hint else "")
            if refusal.code is None:
                raise ValueError(what) from None
            # The message is a template to pydantic, and what was given may hold braces.
            raise PydanticCustomError(
                refusal.code.value, "{what}", {"what": what, **refusal.values}
            ) from None

    return AfterValidator(run)


def _utc(value: datetime) -> str:
    return value.replace(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Time = Annotated[
    datetime,
    PlainSerializer(_utc, return_type=str, when_used="json"),
    Field(examples=["2025-01-31T12:00:00.123Z"]),
]
Password = Annotated[
    SecretStr, Field(max_length=MAX_LENGTH, examples=["correct horse battery staple"])
]
Email = Annotated[
    str, Field(max_length=254, examples=["ada@example.org"]), _checked(validation.email)
]
AppName = Annotated[str, Field(examples=["My shop"]), _checked(validation.app_name)]
ImportUrl = Annotated[
    str,
    Field(max_length=500, examples=["https://git.example.org/ada/shop.git"]),
    _checked(validation.import_url),
]
GitRef = Annotated[str, Field(examples=["main"]), _checked(validation.git_ref)]
EnvKey = Annotated[str, Field(examples=["GREETING"]), _checked(validation.env_key)]
Title = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Taken(BaseModel):
    """A request's body."""

    model_config = ConfigDict(extra="forbid")


class Given(BaseModel):
    """An answer's body."""

    model_config = ConfigDict(frozen=True)
