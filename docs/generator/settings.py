"""The settings, one row per environment variable."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from docs.generator.attributes import attributes
from docs.generator.tables import table
from service.settings import Settings

PREFIX = "DUALTRACK_"
LIMITS = f"{PREFIX}LIMITS__"
ROOT = Path(__file__).resolve().parents[2]
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
    return [each for name, field in Settings.model_fields.items() for each in _settings(name, field)]


def markdown() -> str:
    """The table of all settings."""
    return _table(settings())


def limits() -> str:
    """The table of the limits of a video."""
    return _table([each for each in settings() if each.variable.startswith(LIMITS)])


def _table(rows: list[Setting]) -> str:
    cells = (
        (f"`{each.variable}`", shown(each), each.values, each.description)
        for each in rows
    )
    return table(("variable", "default", "values", "what it does"), cells)


def shown(setting: Setting) -> str:
    """A default for the page: bytes also in MiB or GiB."""
    plain = f"`{setting.default}`" if setting.default else ""
    if not setting.variable.endswith("_BYTES"):
        return plain
    unit, shift = ("GiB", 30) if int(setting.default) >= 1 << 30 else ("MiB", 20)
    return f"{plain} ({int(setting.default) / (1 << shift):g} {unit})"


def _settings(name: str, field: FieldInfo) -> Iterator[Setting]:
    default = field.get_default(call_default_factory=True)  # type: ignore[call-arg]
    variable = f"{PREFIX}{name.upper()}"
    if is_dataclass(default) and not isinstance(default, type):
        described = attributes(type(default))
        for item in fields(default):
            text = described.get(item.name, "")
            values = "whole number" if item.type is int else "number"
            yield Setting(f"{variable}__{item.name.upper()}", value(getattr(default, item.name)), values, _sentence(text))
    elif isinstance(default, BaseModel):
        for inner, its_field in type(default).model_fields.items():
            for each in _settings(f"{name}__{inner}", its_field):
                yield each
    else:
        yield Setting(variable, value(default), kind(field), field.description or "")


def value(default: Any) -> str:
    """A default as it is written in the environment; folders of this machine by what they are."""
    if default is None or default is PydanticUndefined:
        return ""
    if isinstance(default, Path):
        return str(default).replace(str(ROOT), ".").replace(str(Path.home()), "~")
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


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
