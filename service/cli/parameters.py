"""Job parameters on the command line: `-p th_seq=0.4 -p strategy=greedy`, or `--params FILE`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from service.errors import InvalidParameter
from service.pipeline.parameters import JobParameters

ParameterOption = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter of the job; may be given again."),
]
ParameterFileOption = Annotated[
    Path | None,
    typer.Option("--params", metavar="FILE", help="Parameters as a JSON object, as `dualtrack tune` writes them."),
]

DetectionsOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Detections in COCO's results format in place of the bundled detector's."),
]


def parse_parameters(given: list[str] | None, file: Path | None = None, *, overlay: bool = True) -> JobParameters:
    """`NAME=VALUE` pairs over the values of a file -> parameters.

    Raises:
        InvalidParameter: a pair without `=`, an unknown name, a value out of range, or no such file.
    """
    values: dict[str, object] = {"overlay": overlay, **(_read(file) if file else {})}
    for pair in given or []:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidParameter(f"parameter: expected NAME=VALUE, got {pair!r}")
        values[name.strip()] = value.strip()
    try:
        return JobParameters.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidParameter(f"{name}: {first['msg']}, got {first['input']!r}") from error


def _read(file: Path) -> dict[str, object]:
    try:
        values = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise InvalidParameter(f"params: expected a JSON object in {file}: {error}") from error
    if not isinstance(values, dict):
        raise InvalidParameter(f"params: expected a JSON object in {file}, got {type(values).__name__}")
    return values
