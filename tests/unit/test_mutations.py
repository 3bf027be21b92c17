"""The table of mutations fits the code; what they do to the tests is for `python -m tests.mutations.core` to show."""

from pathlib import Path

import pytest

from tests.mutations import core
from tests.mutations.runner import ROOT, Mutation, TableError, load, run

MUTATIONS = [each for table in sorted(core.TABLE.parent.glob("*.toml")) for each in load(table)]
README = (ROOT / "tests/mutations/README.md").read_text()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_code_still_has_what_is_mutated(mutation: Mutation) -> None:
    assert mutation.applied(ROOT) != mutation.path(ROOT).read_text()
    path, _, name = mutation.node(ROOT).partition("::")
    assert f"def {name.partition('[')[0]}" in (ROOT / path).read_text()


def test_the_list_for_readers_names_the_same() -> None:
    rows = [line for line in README.splitlines() if line.startswith("| ") and "::" in line]
    assert rows == [f"| {each.name} | `{each.test}` |" for each in load(core.TABLE)]


@pytest.mark.parametrize(
    ("text", "file", "message"),
    [
        pytest.param("x = 2\n", "**/code.py", "found it 0 times", id="gone"),
        pytest.param("x = 1\nx = 1\n", "**/code.py", "found it 2 times", id="twice"),
        pytest.param("x = 1\n", "**/other.py", "expected one file", id="no-file"),
    ],
)
def test_a_mutation_that_does_not_fit_is_an_error(text: str, file: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(text)
    with pytest.raises(TableError, match=message):
        Mutation("wrong", file, "x = 1", "x = 3", "test.py::test").applied(tmp_path)


@pytest.mark.parametrize(
    ("new", "code"),
    [
        pytest.param("return 3", 0, id="killed"),
        pytest.param("return 2 - 1", 1, id="survived"),
        pytest.param("return (", 2, id="does-not-import"),
    ],
)
def test_the_exit_code_reports_a_survivor(new: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "code_under_test.py").write_text("def one():\n    return 1\n")
    (tmp_path / "test_one.py").write_text("from code_under_test import one\n\ndef test_one():\n    assert one() == 1\n")
    mutation = Mutation("another number", "**/code_under_test.py", "return 1", new, "**/test_one.py::test_one")
    assert run([mutation], tmp_path) == code
    assert "return 1\n" in (tmp_path / "code_under_test.py").read_text()


def test_a_test_that_is_red_anyway_proves_nothing(tmp_path: Path) -> None:
    (tmp_path / "code_under_test.py").write_text("x = 1\n")
    (tmp_path / "test_red.py").write_text("def test_red():\n    assert False\n")
    assert run([Mutation("any", "code_under_test.py", "x = 1", "x = 2", "test_red.py::test_red")], tmp_path) == 2
