"""What a JSON Schema allows, in words."""

from typing import Any

SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def type_of(schema: dict[str, Any]) -> str:
    """The type of a schema: `integer ≥ 0`, `list of number or null`, a link to a named one."""
    if "$ref" in schema:
        return named(schema["$ref"].rsplit("/", 1)[-1])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    for word in ("anyOf", "oneOf", "allOf"):
        if options := [each for each in schema.get(word, ()) if each.get("type") or "$ref" in each or "enum" in each]:
            return " or ".join(dict.fromkeys(type_of(each) for each in options))
    if schema.get("type") == "array":
        return _list(schema)
    bounds = ", ".join(f"{sign} {schema[name]:g}" for name, sign in SIGNS.items() if name in schema)
    kind = schema.get("type", "any")
    plain = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if schema.get("format") == "binary" or "contentMediaType" in schema:
        plain = "file"
    return f"{plain} {bounds}".strip()


def described(schema: dict[str, Any]) -> str:
    """Type and description of a schema."""
    return f"{type_of(schema)}. {schema.get('description', '')}".strip()


def named(name: str) -> str:
    """A link to the section of a schema with a name."""
    return f"[{name}](#{name.lower()})"


def _list(schema: dict[str, Any]) -> str:
    if items := schema.get("prefixItems"):
        return f"{len(items)} numbers"
    return f"list of {type_of(schema.get('items', {}))}"
