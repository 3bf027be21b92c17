"""Parameters of a job on the command line: `-p th_seq=0.4 -p strategy=greedy` or `--params FILE`."""

import contextlib
import json
import re
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import ValidationError

from dualtrack.deprecations import REPLACED, deprecations
from dualtrack.errors import InvalidParameter
from service.pipeline.categories.tables import TABLES
from service.pipeline.parameters.job_parameters import JobParameters, refusal
from service.pipeline.parameters.request_names import renamed
from service.structures.parameter import ParameterError

Parameters = TypeVar("Parameters", bound=JobParameters)

ParameterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-p",
        metavar="NAME=VALUE",
        help="Parameter of the job, such as th_det=0.3; repeatable. `dualtrack parameters` lists all of them.",
    ),
]
ParameterFileOption = Annotated[
    Path | None,
    typer.Option(
        "--params",
        metavar="FILE",
        help="JSON file with an object of parameters, such as `dualtrack tune` writes; -p overrides its values.",
    ),
]

DetectionsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="JSON file of detections to use instead of the detector's: COCO results, with the index of the frame, "
        "from 0, as image_id.",
    ),
]
CategoriesOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME_OR_FILE",
        help="Categories of the result: coco, ytvis2019, ytvis2021 or ovis; a comma-separated list of the detector's "
        "class names; or a JSON file with a list of categories. Default: all classes of the detector.",
    ),
]


Notify = Callable[[str], None]
warn: Notify = partial(typer.echo, err=True)


def silent(_: str) -> None:
    """Print nothing: for values that the user has already been warned about."""


def parse_parameters(
    given: list[str] | None, file: Path | None = None, *, categories: str | None = None, overlay: bool = True
) -> JobParameters:
    """Parse `NAME=VALUE` pairs, which override the values in a file; warns of deprecated names on standard error.

    Raises:
        InvalidParameter: a pair has no `=`, a name is unknown, a value is out of range, or the file can't be read.
    """
    return parse_as(JobParameters, given, file, categories=categories, overlay=overlay)


def parse_as(
    kind: type[Parameters],
    given: list[str] | None,
    file: Path | None = None,
    *,
    categories: str | None = None,
    overlay: bool = True,
    notify: Notify = warn,
) -> Parameters:
    """Like `parse_parameters`, for programs with additional parameters; `notify` gets a line per deprecated name."""
    options: dict[str, object] = {} if categories is None else {"categories": _categories(categories)}
    values = {
        "overlay": overlay,
        **_renamed(_read(file) if file else {}, notify),
        **options,
        **_renamed(_pairs(given or []), notify),
    }
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise InvalidParameter(refusal(error)) from error


@contextlib.contextmanager
def warned_already() -> Iterator[None]:
    """No warning about deprecated parameters in the block: they are those that were parsed here."""
    with warnings.catch_warnings():
        for name in REPLACED:
            warnings.filterwarnings("ignore", re.escape(name), DeprecationWarning)
        yield


def _pairs(given: list[str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidParameter(f"parameter: expected NAME=VALUE, got {pair!r}")
        values[name.strip()] = _value(value.strip())
    return values


def _value(text: str) -> object:
    """A value as it is in JSON; what is none is a text, or a number as people write it."""
    for read in (json.loads, float):
        with contextlib.suppress(ValueError):
            found: object = read(text)
            return found
    return {"True": True, "False": False}.get(text, text)


def _renamed(values: dict[str, object], notify: Notify) -> dict[str, object]:
    """The values of one source under their current names, so that the next source can override them by any name."""
    for line in deprecations(values):
        notify(f"warning: {line}")
    try:
        return renamed(values)
    except ParameterError as error:
        raise InvalidParameter(str(error)) from error


def _read(file: Path) -> dict[str, object]:
    values = _json("params: expected a JSON object", file)
    if not isinstance(values, dict):
        raise InvalidParameter(f"params: expected a JSON object in {file}, got {type(values).__name__}")
    return values


def _categories(given: str) -> object:
    """The name of a bundled set, a comma-separated list of names, or a file: a list, or an object with `categories`."""
    if given in TABLES:
        return given
    if given.endswith(".json") or Path(given).is_file():
        values = _json("categories: expected a JSON list", Path(given))
        return values.get("categories") if isinstance(values, dict) else values
    return [name.strip() for name in given.split(",") if name.strip()]


def _json(expected: str, file: Path) -> object:
    try:
        values: object = json.loads(file.read_bytes())  # bytes: the mark of the byte order is skipped
    except (OSError, ValueError) as error:
        raise InvalidParameter(f"{expected} in {file}: {error}") from error
    return values
