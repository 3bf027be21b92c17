"""The result's JSON Schema, member by member."""

from typing import Any

from docs.generator.schema_types import described, type_of
from docs.generator.tables import table
from dualtrack.result.schema import result_schema

Schema = dict[str, Any]


def definitions() -> dict[str, Schema]:
    """The schemas with a name that a result consists of."""
    found: dict[str, Schema] = result_schema()["$defs"]
    return found


def markdown() -> str:
    """One section for the document, then one per schema with a name."""
    document = f"### The document\n\n{members(result_schema())}"
    return "\n".join([document, *(section(name, schema) for name, schema in definitions().items())])


def section(name: str, schema: Schema) -> str:
    """Heading, description and members of a schema with a name."""
    heading = f"### {name} {{ #{name.lower()} }}\n"
    if "properties" not in schema:
        return f"{heading}\n{described(schema)}\n"
    lead = f"{schema['description']}\n" if schema.get("description") else ""
    return f"{heading}\n{lead}\n{members(schema)}"


def members(schema: Schema) -> str:
    """The table of an object's members."""
    required = schema.get("required", ())
    rows = (
        (f"`{name}`", type_of(each), "yes" if name in required else "no", each.get("description", ""))
        for name, each in schema["properties"].items()
    )
    return table(("member", "type", "always there", "what it is"), rows)
