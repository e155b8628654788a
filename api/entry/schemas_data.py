"""What the API takes and gives of an app's data."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from api.entry.fields import Given, Taken
from ops.appdata import Document

_DOCUMENT = {"_id": {"$oid": "65b9f3c2a1b2c3d4e5f60718"}, "text": "Buy milk", "done": False}


class CollectionOut(Given):
    name: str = Field(examples=["notes"])
    documents: int = Field(examples=[12])


class CollectionsOut(Given):
    """``total`` counts also those beyond the first 200. ``full``: nothing is inserted or updated."""

    collections: list[CollectionOut]
    total: int = Field(examples=[1])
    full: bool = Field(examples=[False])


class DocumentsOut(Given):
    """Documents as extended JSON. ``more``: others follow; ask again with a larger ``skip``."""

    documents: list[dict[str, Any]] = Field(examples=[[_DOCUMENT]])
    more: bool


class DocumentIn(Taken):
    document: Document = Field(
        description="Extended JSON, up to 1 MB", examples=[{"text": "Buy milk", "done": False}]
    )


class DocumentId(Given):
    id: Any = Field(
        description="The document's _id, as extended JSON",
        examples=[{"$oid": "65b9f3c2a1b2c3d4e5f60718"}],
    )
