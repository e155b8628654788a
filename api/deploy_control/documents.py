"""Reading extended JSON that people typed, and refusing what is no plain question or document.

Pure functions; each raises Invalid and says which field. A filter may only hold operators that
compare values: none that runs code on the server or writes somewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

import bson
from bson import json_util
from bson.code import Code
from bson.errors import BSONError

from ops.appdata import DEPTH
from ops.error_codes import ErrorCode
from ops.errors import Invalid

DOCUMENT_BYTES = 1024 * 1024
NAME_LENGTH = 120
SORT_FIELDS = 8

OPERATORS = frozenset(
    {
        *("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin"),
        *("$and", "$or", "$nor", "$not", "$exists", "$type"),
        *("$regex", "$options", "$mod", "$size", "$all", "$elemMatch"),
        *("$bitsAllClear", "$bitsAllSet", "$bitsAnyClear", "$bitsAnySet"),
    }
)
_NAME = re.compile(r"[^\x00-\x1f\x7f$]+")
_RESERVED = ("system.", "_ferretdb_")

Kind = Literal["relaxed", "canonical"]


def collection_name(name: str) -> str:
    possible = _NAME.fullmatch(name) and name.isprintable() and ".." not in name
    if len(name) > NAME_LENGTH or not possible:
        raise Invalid(
            "this cannot be a collection's name",
            code=ErrorCode.COLLECTION_NAME,
            values={"limit": NAME_LENGTH},
            field="collection",
            hint=f"up to {NAME_LENGTH} characters, no $ and no .. among them",
        )
    if name.startswith((*_RESERVED, ".")) or name.endswith("."):
        raise Invalid(
            f"{name[:40]!r} is a name that the database keeps for itself",
            code=ErrorCode.COLLECTION_RESERVED,
            values={"name": name[:40]},
            field="collection",
        )
    return name


def hidden(name: str) -> bool:
    """Whether a collection is the database's own matter."""
    return name.startswith(_RESERVED)


def query(text: str) -> dict[str, Any]:
    """A filter: only operators that compare."""
    found = _object(text, "filter")
    _walk(found, "filter", operators=True)
    return found


def order(text: str) -> list[tuple[str, int]]:
    """Fields to sort by, the first counts most: ``{"price": -1, "name": 1}``."""
    found = _object(text, "sort")
    if len(found) > SORT_FIELDS:
        raise Invalid(
            f"up to {SORT_FIELDS} fields can be sorted by",
            code=ErrorCode.SORT_LIMIT,
            values={"limit": SORT_FIELDS},
            field="sort",
        )
    for name, direction in found.items():
        if direction not in (1, -1) or isinstance(direction, bool):
            raise Invalid(
                f"{name[:40]!r} can be sorted by 1 (rising) or -1 (falling)",
                code=ErrorCode.SORT_DIRECTION,
                values={"name": name[:40]},
                field="sort",
            )
        if not name or "$" in name or "\0" in name:
            raise Invalid(
                f"{name[:40]!r} is no field's name",
                code=ErrorCode.FIELD_NAME,
                values={"name": name[:40]},
                field="sort",
            )
    return [(name, int(direction)) for name, direction in found.items()]


def identity(text: str) -> dict[str, Any]:
    """The filter that finds the one document whose ``_id`` is this, and never another."""
    value = _parsed(text, "id")
    if isinstance(value, list | bson.Regex | Code | None):
        raise Invalid(
            "this cannot be a document's _id", code=ErrorCode.DOCUMENT_ID_INVALID, field="id"
        )
    # An _id may be a document, and may not be an operator: {"$ne": null} would find any.
    _walk(value, "id", operators=False)
    return {"_id": {"$eq": value}}


def document(value: Mapping[str, Any]) -> dict[str, Any]:
    """A document as it may be stored."""
    found = _object(json.dumps(value), "document")
    _walk(found, "document", operators=False)
    if isinstance(found.get("_id"), list | bson.Regex):
        raise Invalid(
            "an _id may be no list and no pattern",
            code=ErrorCode.DOCUMENT_ID_INVALID,
            field="document._id",
        )
    try:
        size = len(bson.encode(found))
    except (BSONError, OverflowError, ValueError, TypeError) as error:
        why = str(error)[:200]
        raise Invalid(
            "the document cannot be stored",
            code=ErrorCode.DOCUMENT_NOT_STORED,
            values={"why": why},
            field="document",
            hint=why,
        ) from None
    if size > DOCUMENT_BYTES:
        raise Invalid(
            f"the document is larger than {DOCUMENT_BYTES // 1024} KB",
            code=ErrorCode.DOCUMENT_TOO_LARGE,
            values={"limit": DOCUMENT_BYTES // 1024},
            field="document",
            hint="split it, or store it by the app itself",
        )
    return found


def shown(found: Mapping[str, Any], kind: Kind) -> str:
    """A stored document as extended JSON. ``canonical`` keeps the types of all numbers."""
    options = (
        json_util.CANONICAL_JSON_OPTIONS if kind == "canonical" else json_util.RELAXED_JSON_OPTIONS
    )
    return json_util.dumps(found, json_options=options)


def _object(text: str, field: str) -> dict[str, Any]:
    found = _parsed(text, field)
    if not isinstance(found, dict):
        raise Invalid(
            'this is no JSON object, such as {"name": "Ada"}',
            code=ErrorCode.NO_JSON_OBJECT,
            field=field,
        )
    return found


def _parsed(text: str, field: str) -> Any:
    try:
        return json_util.loads(text)
    except RecursionError:
        raise Invalid(
            "it is nested too deeply", code=ErrorCode.DOCUMENT_TOO_DEEP, field=field
        ) from None
    # json_util answers some malformed values ({"$date": []}) with whatever Python says of them.
    except Exception as error:
        why = f"{type(error).__name__}: {error}"[:200]
        raise Invalid(
            "this is no extended JSON",
            code=ErrorCode.NO_EXTENDED_JSON,
            values={"why": why},
            field=field,
            hint=why,
        ) from None


def _walk(value: Any, field: str, *, operators: bool, depth: int = 0) -> None:
    if depth > DEPTH:
        raise Invalid("it is nested too deeply", code=ErrorCode.DOCUMENT_TOO_DEEP, field=field)
    if isinstance(value, Code):
        raise Invalid(
            "code is neither run nor stored here", code=ErrorCode.DOCUMENT_CODE, field=field
        )
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_name(name, field, operators=operators)
            _walk(inner, field, operators=operators, depth=depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _walk(inner, field, operators=operators, depth=depth + 1)


def _check_name(name: str, field: str, *, operators: bool) -> None:
    if name.startswith("$"):
        if not operators:
            raise Invalid(
                f"{name[:40]!r} is no field's name",
                code=ErrorCode.FIELD_NAME,
                values={"name": name[:40]},
                field=field,
            )
        if name not in OPERATORS:
            known = " ".join(sorted(OPERATORS))
            raise Invalid(
                f"the operator {name[:40]!r} is not possible here",
                code=ErrorCode.OPERATOR_REFUSED,
                values={"name": name[:40], "known": known},
                field=field,
                hint=f"operators that compare values are: {known}",
            )
    elif "\0" in name or not name:
        raise Invalid(
            "a field has an empty name, or one with a zero byte",
            code=ErrorCode.FIELD_NAME_EMPTY,
            field=field,
        )
    elif not operators and "." in name:
        raise Invalid(
            f"{name[:40]!r} has a dot in it",
            code=ErrorCode.FIELD_NAME_DOT,
            values={"name": name[:40]},
            field=field,
            hint="nest an object instead",
        )
