"""`dualtrack config`: print the current settings."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any

import typer
from pydantic_settings import BaseSettings
from rich.console import Console
from rich.table import Table

from service.settings import Settings

PREFIX = "DUALTRACK_"


def config(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False) -> None:
    """Print all settings: environment variable, current value (secrets masked) and description."""
    values = Settings().masked()
    if as_json:
        typer.echo(json.dumps(values, indent=2, default=str))
        return
    table = Table(box=None)
    for column in ("environment variable", "value", "description"):
        table.add_column(column, overflow="fold")
    described = variables(descriptions(Settings))
    for name, value in variables(values).items():
        table.add_row(name, value if isinstance(value, str) else json.dumps(value), described[name])
    Console(markup=False).print(table)


def descriptions(settings: type[BaseSettings]) -> dict[str, Any]:
    """The description of each setting; for a group, a dictionary with those of its members."""
    found: dict[str, Any] = {}
    for name, field in settings.model_fields.items():
        group = is_dataclass(field.annotation) and isinstance(field.annotation, type)
        found[name] = _members(field.annotation) if group else field.description or ""
    return found


def _members(group: Any) -> dict[str, str]:
    """The descriptions in the metadata of a dataclass's fields."""
    return {item.name: item.metadata.get("description", "") for item in fields(group)}


def variables(values: Mapping[str, Any], prefix: str = PREFIX) -> dict[str, Any]:
    """Settings by environment variable; members of a group have a variable each."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        variable = f"{prefix}{name.upper()}"
        found |= variables(value, f"{variable}__") if isinstance(value, Mapping) else {variable: value}
    return found
