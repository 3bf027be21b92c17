"""docs/method.md: sections that are cited, functions and values that it names are those of the code."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from service.pipeline.parameters.job_parameters import value_text
from service.pipeline.parameters.request_names import PRESETS, TABLE

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "method.md"
TEXT = PAGE.read_text()
HEADINGS = set(re.findall(r"^#+ (\d+(?:\.\d+)*)\.? ", TEXT, re.MULTILINE))
NUMBERS = r"(?:\d+(?:\.\d+)*(?:(?:, | and | to )(?=\d))?)+"
CITATION = re.compile(rf"docs/method\.md,[\s#]+sections?[\s#]+({NUMBERS})")
COLUMNS = ("section", "step", "module", "function")
TREES = ("service", "dualtrack", "evaluation", "training", "export", "tests", "docs")


def table(*columns: str) -> list[list[str]]:
    """The cells of all tables with these columns, row by row."""
    head = "| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|\n"
    bodies = re.findall(re.escape(head) + r"((?:\|.*\n)+)", TEXT)
    return [[cell.strip() for cell in line.strip("|").split("|")] for body in bodies for line in body.splitlines()]


def cited(text: str) -> set[str]:
    return {number for found in CITATION.findall(text) for number in re.findall(r"\d+(?:\.\d+)*", found)}


def sources() -> Iterator[Path]:
    yield from ROOT.glob("*.md")
    for tree in TREES:
        yield from (path for path in (ROOT / tree).rglob("*") if path.suffix in {".py", ".md"})


def defined(path: Path) -> set[str]:
    """Functions and classes of a module, and `Class.method`."""
    function = ast.FunctionDef | ast.AsyncFunctionDef
    top = ast.parse(path.read_text()).body
    classes = [node for node in top if isinstance(node, ast.ClassDef)]
    methods = {f"{each.name}.{item.name}" for each in classes for item in each.body if isinstance(item, function)}
    return methods | {node.name for node in top if isinstance(node, function | ast.ClassDef)}


def value_of(constant: str) -> object:
    """`package.module.NAME`, or `package.module.Parameters.field`: the field's default."""
    module, *rest = re.split(r"\.(?=[A-Z])", constant)
    name, *fields = ".".join(rest).split(".")
    found = getattr(import_module(module), name)
    for field in fields:
        found = getattr(found() if isinstance(found, type) else found, field)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("(docs/method.md, section 5.1).", {"5.1"}, id="one"),
        pytest.param("docs/method.md, sections 5.2, 5.4 and 6.", {"5.2", "5.4", "6"}, id="several"),
        pytest.param("# docs/method.md,\n    # section 3: 2 of them", {"3"}, id="broken-by-a-comment"),
    ],
)
def test_citations_are_read(text: str, expected: set[str]) -> None:
    assert cited(text) == expected


def test_every_section_that_is_cited_exists() -> None:
    by_file = {path.relative_to(ROOT).as_posix(): cited(path.read_text()) for path in sources()}
    assert sum(len(numbers) for numbers in by_file.values()) > 20
    assert {path: numbers - HEADINGS for path, numbers in by_file.items() if numbers - HEADINGS} == {}


def test_every_section_that_the_page_refers_to_exists() -> None:
    found = re.findall(rf"\b[Ss]ections?\s+({NUMBERS})", TEXT) + [row[0] for row in table(*COLUMNS)]
    assert {number for text in found for number in re.findall(r"\d+(?:\.\d+)*", text)} <= HEADINGS


@pytest.mark.parametrize(("module", "functions"), [pytest.param(row[2], row[3], id=row[1]) for row in table(*COLUMNS)])
def test_every_function_it_names_exists(module: str, functions: str) -> None:
    assert set(re.findall(r"`([^`]+)`", functions)) <= defined(ROOT / module.strip("`"))


def test_every_default_is_the_presets() -> None:
    rows = {name.strip("`"): values for name, *values in table("parameter", "default", "paper")}
    wanted = {name: [value_text(PRESETS[preset][name]) for preset in ("default", "paper")] for name in TABLE}
    assert rows == wanted


@pytest.mark.parametrize(("constant", "value"), [row[:2] for row in table("constant", "value", "section")])
def test_every_constant_has_its_value(constant: str, value: str) -> None:
    assert f"{value_of(constant.strip('`')):g}" == value


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert len(links) > 10
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
