"""The fields of a detector's description (TOML)."""

import json
import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined, to_jsonable_python

from docs.generator.attributes import attributes
from docs.generator.tables import table
from service.pipeline.detection.description import BoxRule, Description, InputRule, MaskRule, ScoreRule

TABLES: Mapping[str, type[BaseModel]] = {
    "": Description,
    "input": InputRule,
    "boxes": BoxRule,
    "scores": ScoreRule,
    "masks": MaskRule,
}


def markdown() -> str:
    """One table of fields per table of the file."""
    return "\n".join(_section(name, kind) for name, kind in TABLES.items())


def _section(name: str, kind: type[BaseModel]) -> str:
    described: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        described |= attributes(base)
    rows = (
        (f"`{field}`", _default(info.default), _values(info.annotation), _sentence(described.get(field, "")))
        for field, info in kind.model_fields.items()
        if field not in TABLES
    )
    heading = f"**`[{name}]`**" if name else "**The file itself**"
    lead = (kind.__doc__ or "").split("\n", 1)[0] if name else ""
    return f"{heading} {lead}\n\n{table(('field', 'default', 'values', 'what it means'), rows)}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _default(default: Any) -> str:
    if default is PydanticUndefined:
        return "required"
    return "none" if default is None else f"`{json.dumps(to_jsonable_python(default))}`"


def _values(annotation: Any) -> str:
    origin, options = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _values(options[0])
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in options)
    if origin in {Union, types.UnionType}:
        return " or ".join(_values(each) for each in options if each is not type(None))
    if origin is tuple:
        return "list of names" if str in options else f"{len(options)} numbers"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table with `tensor`, `transposed`, `columns`"
    names = {"int": "whole number", "float": "number", "bool": "`true`, `false`", "str": "name", "Path": "file"}
    return names.get(getattr(annotation, "__name__", ""), "")
