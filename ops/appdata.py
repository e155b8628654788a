"""What the entry asks of an app's data: one of these models, sent to deploy control (7002).

Filters, orders, ids and documents are MongoDB's extended JSON; deploy control reads and checks them.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_LIMIT = 200
MAX_SKIP = 1_000_000
MAX_TEXT = 16 * 1024
"""Characters of a filter, an order or an id."""

DEPTH = 60

Text = Annotated[str, Field(max_length=MAX_TEXT)]


def _shallow_text(value: dict[str, Any]) -> dict[str, Any]:
    """Refuses what cannot travel: too deep for those who read it, or no valid Unicode."""
    if _deeper(value, DEPTH):
        raise ValueError(f"nested deeper than {DEPTH} levels")
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("holds half a character (a lone surrogate)") from None
    return value


def _deeper(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        return levels == 0 or any(_deeper(inner, levels - 1) for inner in value.values())
    if isinstance(value, list):
        return levels == 0 or any(_deeper(inner, levels - 1) for inner in value)
    return False


Document = Annotated[dict[str, Any], AfterValidator(_shallow_text)]
"""A document in extended JSON, as it came in a request's body."""


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ListCollections(_Asked):
    op: Literal["list"] = "list"


class Find(_Asked):
    op: Literal["find"] = "find"
    collection: str
    filter: Text = "{}"
    sort: Text = "{}"
    limit: int = Field(default=50, ge=1, le=MAX_LIMIT)
    skip: int = Field(default=0, ge=0, le=MAX_SKIP)
    canonical: bool = False


class Insert(_Asked):
    op: Literal["insert"] = "insert"
    collection: str
    document: Document


class Replace(_Asked):
    op: Literal["replace"] = "replace"
    collection: str
    id: Text
    document: Document


class Remove(_Asked):
    op: Literal["remove"] = "remove"
    collection: str
    id: Text


class Drop(_Asked):
    op: Literal["drop"] = "drop"
    collection: str


Ask = Annotated[
    ListCollections | Find | Insert | Replace | Remove | Drop, Field(discriminator="op")
]
