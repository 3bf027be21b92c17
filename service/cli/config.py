"""`dualtrack config`: the settings in force."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from service.settings import Settings

PREFIX = "DUALTRACK_"


def config(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the environment variables that set something, with the values in force, secrets masked."""
    values = Settings().masked()
    if as_json:
        typer.echo(json.dumps(values, indent=2, default=str))
        return
    table = Table(box=None)
    table.add_column("environment variable", overflow="fold")
    table.add_column("value", overflow="fold")
    for name, value in variables(values).items():
        table.add_row(name, value if isinstance(value, str) else json.dumps(value))
    Console().print(table)


def variables(values: Mapping[str, Any], prefix: str = PREFIX) -> dict[str, Any]:
    """Settings by the name of their environment variable; a group's members one by one."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        variable = f"{prefix}{name.upper()}"
        found |= variables(value, f"{variable}__") if isinstance(value, Mapping) else {variable: value}
    return found
