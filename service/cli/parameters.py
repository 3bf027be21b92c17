"""Job parameters on the command line: `-p th_seq=0.4 -p strategy=greedy`."""

from typing import Annotated

import typer
from pydantic import ValidationError

from service.errors import InvalidParameter
from service.pipeline.parameters import JobParameters

ParameterOption = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter of the job; may be given again."),
]


def parse_parameters(given: list[str] | None, *, overlay: bool = True) -> JobParameters:
    """`NAME=VALUE` pairs -> parameters.

    Raises:
        InvalidParameter: a pair without `=`, an unknown name, or a value out of range.
    """
    values: dict[str, object] = {"overlay": overlay}
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
