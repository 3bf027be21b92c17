"""`dualtrack config`: the settings in force."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from service.settings import Settings


def config(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the settings in force, secrets masked. Each can be set as DUALTRACK_NAME in the environment."""
    values = Settings().masked()
    if as_json:
        typer.echo(json.dumps(values, indent=2, default=str))
        return
    table = Table("setting", "value", "environment variable")
    for name, value in values.items():
        table.add_row(name, str(value), f"DUALTRACK_{name.upper()}")
    Console().print(table)
