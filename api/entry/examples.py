"""Examples of whole bodies, put together from what each field says of itself.

A field's own example comes first, then its default, then what its type leaves no choice about; a
model that says its own example is left as it is. So an example never lacks a field, nor keeps one
that is gone.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/"


def add_examples(schemas: dict[str, Schema]) -> None:
    """Gives each model in the document an example. Raises LookupError when a field has none."""
    for name, schema in schemas.items():
        if "properties" in schema and "examples" not in schema:
            schema["examples"] = [_of_model(name, schemas)]


def _of_model(name: str, schemas: dict[str, Schema]) -> Any:
    schema = schemas[name]
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    required = schema.get("required", [])
    return {
        field: _of_field(f"{name}.{field}", of, schemas, may_lack=field not in required)
        for field, of in schema["properties"].items()
    }


def _of_field(
    name: str, schema: Schema, schemas: dict[str, Schema], *, may_lack: bool = False
) -> Any:
    if "examples" in schema:
        return schema["examples"][0]
    for decided in ("default", "const"):
        if decided in schema:
            return schema[decided]
    if "$ref" in schema:
        return _of_model(schema["$ref"].removeprefix(_REFERENCE), schemas)
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return None if may_lack else _of_field(name, schema["anyOf"][0], schemas)
    kind = schema.get("type")
    if kind == "array":
        return [_of_field(name, schema["items"], schemas)]
    if kind == "boolean":
        return False
    raise LookupError(f"{name} needs an example: Field(examples=[…])")
