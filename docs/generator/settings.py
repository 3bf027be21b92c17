"""The settings, one row per environment variable."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from docs.generator.tables import table
from service.cli.config import PREFIX, descriptions, variables
from service.settings import Settings

BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


@dataclass(frozen=True)
class Setting:
    """One environment variable.

    Attributes:
        variable: its name.
        default: as text; empty if there is none.
        values: what it may be.
        description: what it does.
    """

    variable: str
    default: str
    values: str
    description: str


def settings() -> list[Setting]:
    """Every setting; a group's members one by one."""
    explained = variables(descriptions(Settings))
    found = [each for name, field in Settings.model_fields.items() for each in _settings(name, field)]
    return [Setting(*each, explained[each[0]]) for each in found]


def markdown() -> str:
    """One row per setting."""
    rows = ((f"`{each.variable}`", shown(each), each.values, each.description) for each in settings())
    return table(("variable", "default", "values", "what it does"), rows)


def shown(setting: Setting) -> str:
    """A default for the page: bytes also in MiB or GiB."""
    if setting.variable == f"{PREFIX}MODEL_REPOSITORY":
        return "the bundled models"
    plain = f"`{setting.default}`" if setting.default else ""
    if not setting.variable.endswith("_BYTES"):
        return plain
    unit, shift = ("GiB", 30) if int(setting.default) >= 1 << 30 else ("MiB", 20)
    return f"{plain} ({int(setting.default) / (1 << shift):g} {unit})"


def _settings(name: str, field: FieldInfo) -> Iterator[tuple[str, str, str]]:
    """Variable, default and values of a setting, or of every member of a group."""
    default = field.get_default(call_default_factory=True, validated_data={})
    variable = f"{PREFIX}{name.upper()}"
    if not is_dataclass(default) or isinstance(default, type):
        yield variable, value(default), kind(field)
        return
    for item in fields(default):
        values = "whole number" if item.type is int else "number"
        yield f"{variable}__{item.name.upper()}", value(getattr(default, item.name)), values


def value(default: Any) -> str:
    """A default as it is written in the environment."""
    if default is None or default is PydanticUndefined:
        return ""
    if isinstance(default, Path):
        return str(default).replace(str(Path.home()), "~")
    plain = to_jsonable_python(default)
    return plain if isinstance(plain, str) else json.dumps(plain)


def kind(field: FieldInfo) -> str:
    """What a value may be: choices, or the type with its bounds."""
    annotation: Any = field.annotation
    options = [each for each in get_args(annotation) if each is not type(None)]
    if options and all(isinstance(each, str) for each in options):
        return ", ".join(f"`{each}`" for each in options)
    name = _name(annotation if not options else options[0])
    if getattr(annotation, "__origin__", None) is tuple:
        return "JSON list of text"
    bounds = [
        f"{sign} {getattr(each, attribute):g}"
        for each in field.metadata
        for attribute, sign in BOUNDS.items()
        if hasattr(each, attribute)
    ]
    return " ".join([name, ", ".join(bounds)]).strip()


def _name(annotation: Any) -> str:
    names = {int: "whole number", float: "number", bool: "`true` or `false`", str: "text"}
    if annotation in names:
        return names[annotation]
    return {"Path": "path", "SecretStr": "text, secret"}.get(getattr(annotation, "__name__", ""), "text")
