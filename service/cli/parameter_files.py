"""Files that are written from the parameters: `python -m service.cli.parameter_files`, in a checkout."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from service.cli.parameter_list import Row, rows
from service.pipeline.categories.tables import TABLES
from service.pipeline.parameters.job_parameters import value_text
from service.pipeline.parameters.request_names import OLD_NAMES

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "python -m service.cli.parameter_files"
WIDTH = 120
PYTHON_TYPES = {"boolean": "bool", "integer": "int", "number": "float", "string": "str"}
HEAD = f'''"""Parameters of a job, for callers in Python. Written by `{COMMAND}`."""

from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict


class OwnCategory(TypedDict):
    """A category of an own list.

    Attributes:
        id: in the result.
        name: in the result.
        of: names of the detector's classes that stand for it; without them those that are called alike.
    """

    id: int
    name: str
    of: NotRequired[Sequence[str]]


class Parameters(TypedDict, total=False):
    """What a job can be given; what is left out comes from the preset."""
'''


def typed_dict() -> str:
    """The module `dualtrack.parameters`."""
    return HEAD + "".join(f"\n    {row.name}: {_annotation(row)}\n{_docstring(row)}" for row in rows())


def page() -> str:
    """`docs/parameters.md`."""
    lines = [
        "# Parameters of a job",
        "",
        f"Written by `{COMMAND}` from the code; `dualtrack parameters` prints the same,",
        "`GET /openapi.json` has it as a schema. On the command line `-p NAME=VALUE`, in a file for `--params` and",
        "over HTTP a JSON object. What is left out comes from the preset: `default`, or `paper`, the literal",
        "reading of the paper.",
        "",
        "| parameter | range | default | paper | what it does |",
        "|---|---|---|---|---|",
        *(_line(row) for row in rows()),
        "",
        "`lost_enter` may not be above `lost_leave`: a target would be lost and found again at once. Where",
        "`chunk_frames` is set and `chunk_overlap` is not, the overlap is cut to half of `chunk_frames`.",
        "",
        "## Old names",
        "Still accepted, with a warning, and refused in the next release:",
        *(f"- `{old}` is now `{new}`" for old, new in OLD_NAMES.items()),
    ]
    return "\n".join(lines) + "\n"


FILES: Mapping[str, Callable[[], str]] = {"dualtrack/parameters.py": typed_dict, "docs/parameters.md": page}
"""Paths in the checkout, and what makes their text."""


def _annotation(row: Row) -> str:
    if row.choices:
        return _literal(row.choices)
    if row.type is None:
        return f"{_literal(TABLES)} | Sequence[str] | Sequence[OwnCategory]"
    return PYTHON_TYPES[row.type]


def _literal(choices: Sequence[str]) -> str:
    quoted = (f'"{choice}"' for choice in choices)
    return f"Literal[{', '.join(quoted)}]"


def _docstring(row: Row) -> str:
    limits = "" if row.choices or row.type in {"boolean", None} else f" {row.expected.capitalize()}."
    text = f'"""{row.description}{limits} {_defaults(row)}"""'
    indented = textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
    return "\n".join(indented) + "\n"


def _defaults(row: Row) -> str:
    if row.default == row.paper or row.name == "preset":
        return f"Default: {value_text(row.default)}."
    return f"Default: {value_text(row.default)}; of the preset `paper`: {value_text(row.paper)}."


def _line(row: Row) -> str:
    cells = (f"`{row.name}`", row.expected, value_text(row.default), value_text(row.paper), row.description)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    for name, text in FILES.items():
        (ROOT / name).write_text(text())
