"""The result's JSON Schema, member by member."""

from collections.abc import Iterator
from typing import Any

from docs.generator.schema_types import type_of
from docs.generator.tables import table
from dualtrack.result.schema import result_schema

Schema = dict[str, Any]


def members(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every object of the schema that has members, by its path."""
    if schema.get("type") == "array":
        items = schema.get("items")
        if isinstance(items, dict):
            yield from members(items, f"{path}[]")
        return
    properties = schema.get("properties", {})
    if properties:
        yield path, schema
    for name, each in properties.items():
        yield from members(each, f"{path}.{name}".lstrip("."))
    for option in schema.get("anyOf", ()):
        yield from members(option, path)


def markdown() -> str:
    """One table per object of the document."""
    return "\n".join(_section(path, schema) for path, schema in members(result_schema()))


def _section(path: str, schema: Schema) -> str:
    required = schema.get("required", ())
    rows = (
        (f"`{name}`", type_of(each), "yes" if name in required else "no", each.get("description", ""))
        for name, each in schema["properties"].items()
    )
    heading = f"### `{path}`" if path else "### The document"
    return f"{heading}\n\n{table(('member', 'type', 'always there', 'what it is'), rows)}"
