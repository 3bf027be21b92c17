"""The HTTP API from its OpenAPI document: every operation, then every schema with a name."""

from collections.abc import Iterator
from typing import Any

from docs.generator.result_schema import definitions, section
from docs.generator.schema_types import described, type_of
from docs.generator.tables import table
from service.api.app import create_app
from service.settings import Settings

METHODS = ("get", "post", "put", "patch", "delete")
OWN_PAGES = {
    "Result": "[Result](result.md) has a page of its own.",
    "JobParameters": "[Parameters](../parameters.md) lists them.",
}
"""Schemas that other pages describe."""
FIRST_PROBLEM = 400
Schema = dict[str, Any]


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    return create_app(Settings()).openapi()


def operations(api: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation, in the document's order."""
    for path, item in api["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def markdown() -> str:
    """Operations, then schemas."""
    api = document()
    parts = [_operation(*each) for each in operations(api)]
    schemas = api.get("components", {}).get("schemas", {})
    parts += [_problems(api), "## Schemas\n", *(_schema(name, schema) for name, schema in sorted(schemas.items()))]
    return "\n".join(parts)


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"## {method} {path}\n", f"{operation.get('description') or operation.get('summary', '')}\n"]
    if parameters := operation.get("parameters"):
        given = (
            (f"`{each['name']}`", str(each["in"]), type_of(each.get("schema", {})), _description(each))
            for each in parameters
        )
        parts.append(table(("parameter", "in", "type", "what it is"), given))
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(_body(media_type, content.get("schema", {})))
    answers = operation["responses"]
    good = {status: answer for status, answer in answers.items() if int(status) < FIRST_PROBLEM}
    rows = ((str(status), _content(answer), _meaning(answer)) for status, answer in good.items())
    parts.append(table(("status", "body", "meaning"), rows))
    if problems := ", ".join(str(status) for status in sorted(answers, key=int) if status not in good):
        parts.append(f"[Problems](#problems): {problems}.\n")
    return "\n".join(parts)


def _problems(api: dict[str, Any]) -> str:
    """What the status of a problem means, whatever the operation."""
    found = {
        int(status): answer["description"]
        for _, _, operation in operations(api)
        for status, answer in operation["responses"].items()
        if int(status) >= FIRST_PROBLEM
    }
    lead = "Every error has the type `application/problem+json` ([Problem](#problem)).\n"
    rows = ((str(status), meaning) for status, meaning in sorted(found.items()))
    return f"## Problems\n\n{lead}\n{table(('status', 'meaning'), rows)}"


def _meaning(answer: dict[str, Any]) -> str:
    text = str(answer.get("description", ""))
    return "" if text == "Successful Response" else text


def _body(media_type: str, schema: Schema) -> str:
    head = f"Body `{media_type}`"
    if "properties" not in schema:
        return f"{head}: {described(schema)}\n"
    required = schema.get("required", ())
    rows = (
        (f"`{name}`", type_of(each), "yes" if name in required else "no", each.get("description", ""))
        for name, each in schema["properties"].items()
    )
    return f"{head}:\n\n{table(('part', 'type', 'required', 'what it is'), rows)}"


def _content(response: dict[str, Any]) -> str:
    kinds = (f"{type_of(each.get('schema', {}))} (`{kind}`)" for kind, each in response.get("content", {}).items())
    return ", ".join(kinds)


def _description(parameter: dict[str, Any]) -> str:
    return str(parameter.get("description") or parameter.get("schema", {}).get("description", ""))


def _schema(name: str, schema: Schema) -> str:
    elsewhere = OWN_PAGES.get(name) or (
        f"Part of a [result](result.md#{name.lower()})." if name in definitions() else None
    )
    return section(name, schema) if elsewhere is None else f"### {name} {{ #{name.lower()} }}\n\n{elsewhere}\n"
