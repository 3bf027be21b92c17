"""`dualtrack config`: the settings in force."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any

import typer
from pydantic_settings import BaseSettings
from rich.console import Console
from rich.table import Table

from service.environment import PREFIX
from service.settings import Settings


def config(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print every setting: its environment variable, the value in force (secrets masked) and what it does."""
    values = Settings().masked()
    if as_json:
        typer.echo(json.dumps(values, indent=2, default=str))
        return
    table = Table(box=None)
    for column in ("environment variable", "value", "what it does"):
        table.add_column(column, overflow="fold")
    explained = variables(descriptions(Settings))
    for name, value in variables(values).items():
        table.add_row(name, value if isinstance(value, str) else json.dumps(value), explained[name])
    Console(markup=False).print(table)


def descriptions(settings: type[BaseSettings]) -> dict[str, Any]:
    """What each setting does; a group's members one by one."""
    found: dict[str, Any] = {}
    for name, field in settings.model_fields.items():
        group = is_dataclass(field.annotation) and isinstance(field.annotation, type)
        found[name] = _members(field.annotation) if group else field.description or ""
    return found


def _members(group: Any) -> dict[str, str]:
    """The descriptions of a dataclass's fields, in their metadata."""
    return {item.name: item.metadata.get("description", "") for item in fields(group)}


def variables(values: Mapping[str, Any], prefix: str = PREFIX) -> dict[str, Any]:
    """Settings by the name of their environment variable; a group's members one by one."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        variable = f"{prefix}{name.upper()}"
        found |= variables(value, f"{variable}__") if isinstance(value, Mapping) else {variable: value}
    return found
