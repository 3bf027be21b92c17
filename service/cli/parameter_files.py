"""Files that are written from the parameters: `python -m service.cli.parameter_files`, in a checkout."""

import re
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


PAGE_HEAD = f"""# Parameters of a job

Written by `{COMMAND}` from the code. `dualtrack parameters` prints the same, and
`GET /openapi.json` has it as a schema. Set parameters with `-p NAME=VALUE` on the command line, in a file for
`--params`, as keyword arguments in Python, or in a JSON object over HTTP.

A parameter that you leave out takes its value from the preset: `default`, or `paper`, the literal reading of the
paper that the method comes from (Feng et al., ICCV Workshops 2019; see [Method](method.md)). The last column links to
the section of the method that defines the parameter.

**Class calibration** in short: each chunk of the video decides which classes are *reliable*. A class is reliable if
its average score (`estimator`) is above `th_cc`; if none is above it, only the class with the highest average is
reliable. A detection keeps its scores for the reliable classes, and its other scores are multiplied by `beta`. So its
label may change (`relabel`) and it may rank lower, but it is dropped only if its best score is then below `th_key`.

"""
PAGE_END = """
`lost_enter` may not be above `lost_leave`: a target would be lost and found again at once. If you set `chunk_frames`
and not `chunk_overlap`, the overlap is at most half of `chunk_frames`. Parameters that count frames count *tracked*
frames: a video at 25 frames per second is tracked in every second one, so a chunk of 160 frames spans 320 frames of
the video. `categories` has [a page of its own](how-to/own-classes.md).

## Old names
Still accepted, with a warning, and refused in the next release:

"""


def typed_dict() -> str:
    """The module `dualtrack.parameters`."""
    return HEAD + "".join(f"\n    {row.name}: {_annotation(row)}\n{_docstring(row)}" for row in rows())


def page() -> str:
    """`docs/parameters.md`."""
    sections = method_sections()
    lines = [
        *PAGE_HEAD.splitlines(),
        "| parameter | range | default | paper | what it does | method |",
        "|---|---|---|---|---|---|",
        *(_line(row, sections.get(row.name, "")) for row in rows()),
        *PAGE_END.splitlines(),
        *(f"- `{old}` is now `{new}`" for old, new in OLD_NAMES.items()),
    ]
    return "\n".join(lines) + "\n"


def method_sections() -> dict[str, str]:
    """Links to the sections of `docs/method.md` that list a parameter with its defaults, by the parameter's name."""
    found, link = dict[str, str](), ""
    for line in (ROOT / "docs" / "method.md").read_text().splitlines():
        if heading := re.fullmatch(r"#{2,3} (([\d.]+?)\.? .+)", line):
            # the anchor as the site makes it
            anchor = re.sub(r"[^\w\s-]", "", heading[1]).strip().lower().replace(" ", "-")
            link = f"[{heading[2]}](method.md#{anchor})"
        elif row := re.fullmatch(r"\| `(\w+)` \| [^|]+ \| [^|]+ \|", line):
            found.setdefault(row[1], link)
    return {row.name: found[row.name] for row in rows() if row.name in found}


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


def _line(row: Row, section: str) -> str:
    cells = (f"`{row.name}`", row.expected, value_text(row.default), value_text(row.paper), row.description, section)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    for name, text in FILES.items():
        (ROOT / name).write_text(text())
