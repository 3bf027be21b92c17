"""`dualtrack parameters`: list the parameters of a job with ranges, the values of both presets, and descriptions."""

import json
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Annotated, Any, get_type_hints

import typer
from rich.console import Console
from rich.table import Table

from dualtrack.deprecations import REPLACED
from service.pipeline.categories.tables import TABLES
from service.pipeline.parameters.job_parameters import JobParameters, value_text
from service.pipeline.parameters.request_names import PRESETS, TABLE
from service.structures.parameter import ParameterField, parameter_field

TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter.

    Attributes:
        name: name in requests.
        type: type as in JSON Schema; None for `categories`, which accepts several.
        minimum: lower end of the range, inclusive; None if there is none.
        maximum: upper end of the range, inclusive; None if there is none.
        choices: values of a choice; empty for other types.
        expected: range or choices as text.
        default: value in the preset `default`.
        paper: value in the preset `paper`.
        description: what the parameter does.
    """

    name: str
    type: str | None
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]
    expected: str
    default: Any
    paper: Any
    description: str


def rows() -> list[Row]:
    """All parameters of a job that are not deprecated, in the order of the API."""
    hints = get_type_hints(JobParameters, include_extras=True)
    found = []
    for name, model_field in JobParameters.model_fields.items():
        if name in REPLACED:
            continue
        if name in TABLE:
            defaults = (PRESETS["default"][name], PRESETS["paper"][name])
            found.append(_row(TABLE[name], *defaults, str(TABLE[name].description)))
        else:
            item = parameter_field(name, hints[name])
            found.append(_row(item, model_field.default, model_field.default, model_field.description or ""))
    return found


def parameters(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Print the parameters of a job (-p NAME=VALUE) with ranges, the values of both presets, and descriptions."""
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows()], indent=2))
        return
    table = Table("name", "range", "default", "paper", "description", box=None)
    for row in rows():
        table.add_row(row.name, row.expected, value_text(row.default), value_text(row.paper), row.description)
    Console(markup=False).print(table)


def _row(item: ParameterField, default: object, paper: object, description: str) -> Row:
    if item.name == "preset":
        paper = "paper"
    kind = TYPES.get(item.kind)
    return Row(
        name=item.name,
        type=kind,
        minimum=_finite(item.minimum, whole=kind == "integer"),
        maximum=_finite(item.maximum, whole=kind == "integer"),
        choices=item.choices,
        expected=item.expected if kind else f"{', '.join(TABLES)} or a list",
        default=default,
        paper=paper,
        description=description,
    )


def _finite(bound: float, *, whole: bool) -> float | None:
    if not isfinite(bound):
        return None
    return int(bound) if whole else bound
