"""References to components."""

from collections.abc import Callable
from typing import Any

PREFIX = "#/components/schemas/"
TEMPLATE = PREFIX + "{model}"
"""As pydantic takes it."""


def ref(component: str) -> dict[str, str]:
    """A reference to a component."""
    return {"$ref": PREFIX + component}


def with_refs(value: Any, change: Callable[[str], str]) -> Any:
    """A copy of a JSON value with `change` applied to the target of every reference."""
    if isinstance(value, list):
        return [with_refs(item, change) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: change(item) if key == "$ref" else with_refs(item, change) for key, item in value.items()}
