"""Which of mutmut's mutants are run and how they are counted; what they do to the tests is for `make mutants` to show."""

import ast
from pathlib import Path

import pytest

from tests.mutations.generated.sample import (
    PARTS,
    Change,
    Mutant,
    Report,
    change_of,
    equivalents,
    function_of,
    part_of,
)
from tests.mutations.runner import ROOT

TABLE = ROOT / "tests/mutations/generated/equivalent.toml"
CHANGE = Change("service.m.f", "return 1", "return 2")
DIFF = """\
--- service/m.py
+++ service/m.py
@@ -1,3 +1,3 @@
 def f():
-    return 1
+    return 2
"""


def mutants(*outcomes: str) -> list[Mutant]:
    """One mutant of each outcome; the first one makes `CHANGE`."""
    changes = [CHANGE, *(Change("service.m.f", "x", str(place)) for place in range(len(outcomes)))]
    return [Mutant(f"service.m.x_f__mutmut_{i}", changes[i], outcome) for i, outcome in enumerate(outcomes)]


def test_the_parts_are_fixed_and_of_about_one_size() -> None:
    """Written down: a part that changes would make figures of two commits incomparable."""
    names = [f"service.m.x_f__mutmut_{number}" for number in range(1, 9)]
    assert [part_of(name) for name in names] == [1, 0, 0, 1, 2, 1, 0, 2]
    sizes = [[part_of(f"{name}{k}") for name in names for k in range(100)].count(part) for part in range(PARTS)]
    assert min(sizes) > 160


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("service.tracking.windows.x_crop_mask__mutmut_3", "service.tracking.windows.crop_mask"),
        ("service.tracking.windows.x__window__mutmut_12", "service.tracking.windows._window"),
        ("service.structures.masks.xǁRleǁjson__mutmut_1", "service.structures.masks.Rle.json"),
        ("service.calibration.seeds.xǁ_Groupsǁ__init____mutmut_1", "service.calibration.seeds._Groups.__init__"),
    ],
)
def test_function_of_a_mutant(name: str, function: str) -> None:
    assert function_of(name) == function


def test_change_of_a_mutant() -> None:
    assert change_of("service.m.x_f__mutmut_1", DIFF) == CHANGE


@pytest.mark.parametrize(
    ("outcomes", "listed", "stale", "faults"),
    [
        pytest.param(["killed", "timeout", "segfault"], [], [], [], id="all-die"),
        pytest.param(["survived", "killed"], [CHANGE], [], [], id="equivalent"),
        pytest.param(
            ["survived", *["killed"] * 19],
            [],
            [],
            ["lives, and is not listed: service.m.x_f__mutmut_0"],
            id="one-lives",
        ),
        pytest.param(
            ["no tests", *["killed"] * 18],
            [],
            [],
            ["lives, and is not listed: service.m.x_f__mutmut_0", "94.7% die, wanted 95%"],
            id="too-many-live",
        ),
        pytest.param(
            ["killed"],
            [CHANGE],
            [],
            ["listed as equivalent, but it dies: service.m.f: 'return 1' -> 'return 2'"],
            id="listed-and-dies",
        ),
        pytest.param(
            ["killed"],
            [],
            [CHANGE],
            ["listed, but no mutant makes this change: service.m.f: 'return 1' -> 'return 2'"],
            id="listed-and-gone",
        ),
    ],
)
def test_what_is_wrong(outcomes: list[str], listed: list[Change], stale: list[Change], faults: list[str]) -> None:
    report = Report(mutants(*outcomes), listed, stale)
    assert report.faults(all_listed=True) == faults
    assert report.faults(all_listed=False) == [fault for fault in faults if "lives" not in fault]


def test_counts() -> None:
    report = Report(mutants("survived", "killed", "killed", "timeout", "survived"), [CHANGE], [])
    assert report.summary() == ("5 mutants: 2 killed, 1 timeout; 1 survived, 1 equivalent; of the others 75.0% die")


def test_a_change_is_listed_once(tmp_path: Path) -> None:
    entry = '[[equivalent]]\nfunction = "f"\nold = "1"\nnew = ["2", "3"]\nreason = "any"\n'
    (tmp_path / "table.toml").write_text(entry)
    assert equivalents(tmp_path / "table.toml") == {Change("f", "1", "2"): "any", Change("f", "1", "3"): "any"}
    (tmp_path / "table.toml").write_text(entry * 2)
    with pytest.raises(ValueError, match="listed twice"):
        equivalents(tmp_path / "table.toml")


@pytest.mark.parametrize("change", equivalents(TABLE), ids=lambda change: f"{change.function}: {change.new}"[:90])
def test_the_code_still_has_what_is_listed(change: Change) -> None:
    """That mutmut still makes the change is for `make mutants` to show."""
    lines = [line.strip() for line in _source(change.function).splitlines()]
    assert all(line in lines for line in change.old.splitlines())
    assert change.old != change.new


def _source(function: str) -> str:
    """The source of a function or of a method."""
    path, parts = ROOT, function.split(".")
    while not path.with_suffix(".py").is_file():
        path /= parts.pop(0)
    text = path.with_suffix(".py").read_text()
    node: ast.AST = ast.parse(text)
    for name in parts:
        node = next(each for each in ast.iter_child_nodes(node) if getattr(each, "name", None) == name)
    return ast.get_source_segment(text, node) or ""
