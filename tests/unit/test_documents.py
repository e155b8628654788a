"""What people type into the data explorer, and what they try with it."""

from __future__ import annotations

import json
from typing import Any

import bson
import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from api.deploy_control import documents
from ops.appdata import Document
from ops.errors import Invalid


@pytest.mark.parametrize(
    "text",
    [
        '{"$where": "sleep(1e9)"}',
        '{"a": {"$where": "1"}}',
        '{"$or": [{"a": 1}, {"$where": "1"}]}',
        '{"a": {"$elemMatch": {"$not": {"$function": {"body": "x", "args": [], "lang": "js"}}}}}',
        '{"$expr": {"$function": {}}}',
        '{"a": {"$accumulator": {}}}',
        '{"$out": "other"}',
        '{"$merge": {"into": "other"}}',
        '{"$lookup": {"from": "other"}}',
        '{"a": {"$code": "function() { return 1 }"}}',
        '{"a": {"$code": "f", "$scope": {}}}',
        '{"": 1}',
        '{"a\\u0000b": 1}',
        "[]",
        "7",
        "",
        "{",
        '{"a": {"$date": []}}',
        '{"a": {"$oid": "nonsense"}}',
        '{"a": ' * 2000 + "1" + "}" * 2000,
        '{"a": ' + "[" * 100_000,
    ],
)
def test_a_filter_only_compares(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        documents.query(text)
    assert (refused.value.field, refused.value.code is None) == ("filter", False)


def test_filters_that_people_use() -> None:
    text = '{"_id": {"$oid": "65b9f3c2a1b2c3d4e5f60718"}, "n": {"$gt": 1, "$in": [1, 2]}}'
    assert documents.query(text)["_id"] == ObjectId("65b9f3c2a1b2c3d4e5f60718")
    assert documents.query('{"name.first": {"$regex": "^A", "$options": "i"}}')
    assert documents.query('{"at": {"$lt": {"$date": "2025-01-01T00:00:00Z"}}}')
    assert documents.order('{"b": -1, "a.c": 1}') == [("b", -1), ("a.c", 1)]


@pytest.mark.parametrize(
    "text", ['{"a": 2}', '{"a": "1"}', '{"a": {"$meta": "x"}}', '{"$natural": 1}', '{"a": true}']
)
def test_an_order_is_rising_or_falling(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        documents.order(text)
    assert (refused.value.field, refused.value.code is None) == ("sort", False)


@pytest.mark.parametrize(
    "text",
    ['{"$ne": null}', '{"$gt": ""}', '{"a": {"$gt": 1}}', "[1]", "null", '{"$regex": "."}', "x"],
)
def test_an_id_never_finds_another_document(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        documents.identity(text)
    assert refused.value.field == "id"


def test_ids_of_each_kind() -> None:
    for text, value in (('"ada"', "ada"), ("7", 7), ('{"a": 1}', {"a": 1})):
        assert documents.identity(text) == {"_id": {"$eq": value}}


@pytest.mark.parametrize(
    "value",
    [
        {"$set": {"a": 1}},
        {"a": {"$where": "1"}},
        {"a.b": 1},
        {"a": {"$code": "x"}},
        {"_id": [1]},
        {"big": 2**70},
        {"text": "x" * (1024 * 1024)},
        {"": 1},
    ],
)
def test_what_is_no_document(value: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        documents.document(value)
    assert (refused.value.field or "").startswith("document")
    assert refused.value.code is not None


@pytest.mark.parametrize(
    "name",
    [
        *("", "system.users", "system.", "_ferretdb_database_metadata", "a$b", "$cmd", "a\0b"),
        *(".a", "a.", "a/../b", "x" * 121, "a\u202eb", "a\nb"),
    ],
)
def test_collections_that_are_not_peoples_own(name: str) -> None:
    with pytest.raises(Invalid):
        documents.collection_name(name)


def test_collections_that_are() -> None:
    for name in ("notes", "shop.orders", "заметки", "a b", "systems", "a/b"):
        assert documents.collection_name(name) == name


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1)} if levels else {}


def test_a_document_travels_as_it_is() -> None:
    check = TypeAdapter(Document).validate_python
    assert check(nested(50)) == nested(50)
    for value in (nested(100), {"a": "\ud800"}, {"\ud800": 1}):
        with pytest.raises(ValidationError):
            check(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.binary(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_what_is_shown_can_be_written_back(value: Any) -> None:
    stored = bson.decode(bson.encode({"_id": 1, "value": value}))
    again = documents.document(json.loads(documents.shown(stored, "canonical")))
    assert bson.encode(again) == bson.encode(stored)
