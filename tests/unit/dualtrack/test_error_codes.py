"""The table of codes against every place in the source that raises an error or writes a problem."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import dualtrack
import service
from dualtrack import errors
from dualtrack.error_codes import CAUSES_WITHOUT_ERROR, CLASS_OF_CODE, CODES_OF_CLASS, class_of, status_of
from dualtrack.errors import Conflict, DualtrackError, InvalidInput, JobFailed, Unavailable

CLASSES = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, DualtrackError)
}
NO_ANSWERS = ("service/cli/", "dualtrack/client/", "dualtrack/engine/", "service/worker/")
"""What these raise never becomes an answer of the service: their codes may stand for another class, too."""
PASSED_ON = {"message['error']['code']", "ended.code", "code", "error.code"}
"""Codes from elsewhere, where they were raised or read from the table."""


class Site(NamedTuple):
    where: str
    kind: str
    code: str


def sites() -> Iterator[Site]:
    """Every code that is given where an error or a problem is made."""
    for package in (service, dualtrack):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            tree = ast.parse(path.read_text())
            constants = dict(_constants(tree))
            for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
                kind, given = _made(call)
                where = f"{path.relative_to(root.parent)}:{call.lineno}"
                for code in _codes(given, constants, where) if given is not None else ():
                    yield Site(where, kind, code)


def _made(call: ast.Call) -> tuple[str, ast.expr | None]:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if name not in CLASSES and name != "Problem":
        return name, None
    named = next((keyword.value for keyword in call.keywords if keyword.arg == "code"), None)
    return name, call.args[1] if named is None and name == "Problem" else named


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from ((target.id, node.value.value) for target in node.targets if isinstance(target, ast.Name))


def _codes(given: ast.expr, constants: dict[str, str], where: str) -> Iterator[str]:
    if isinstance(given, ast.IfExp):
        yield from _codes(given.body, constants, where)
        yield from _codes(given.orelse, constants, where)
    elif isinstance(given, ast.Constant):
        yield str(given.value)
    elif (name := ast.unparse(given)) in constants:
        yield constants[name]
    else:
        assert name in PASSED_ON, f"{where}: the code {name} can't be read from the source"


def test_every_code_that_is_raised_is_in_the_table() -> None:
    found = list(sites())
    assert {"disk-full", "model-dead", "no-frames", "job-canceled"} <= {site.code for site in found}
    assert not [site for site in found if site.code not in CLASS_OF_CODE]


def literal_codes(source: str) -> set[str]:
    """Codes in documents that the source writes, such as a job's `error`: `{"code": CODE, …}`."""
    dicts = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Dict)]
    pairs = [pair for each in dicts for pair in zip(each.keys, each.values, strict=True)]
    return {
        str(value.value)
        for key, value in pairs
        if isinstance(key, ast.Constant) and key.value == "code" and isinstance(value, ast.Constant)
    }


def lua_codes(source: str) -> set[str]:
    """Causes that a script counts: `failures:service:CAUSE`."""
    return set(re.findall(r"'failures:\w+:([a-z-]+)'", source))


def test_codes_in_documents_and_scripts_are_found() -> None:
    assert literal_codes("""x = json.dumps({"code": "made-up", "detail": code})""") == {"made-up"}
    assert lua_codes("count('failures:service:made-up')\ncount('failures:service:' .. ARGV[4])") == {"made-up"}


def test_every_code_in_documents_and_scripts_is_in_the_table() -> None:
    root = Path(service.__path__[0])
    written = set().union(*(literal_codes(path.read_text()) for path in root.rglob("*.py")))
    counted = set().union(*(lua_codes(path.read_text()) for path in root.rglob("*.lua")))
    assert ("too-many-attempts" in written, "worker-died" in counted) == (True, True)
    assert written <= set(CLASS_OF_CODE)
    assert counted <= {*CLASS_OF_CODE, *CAUSES_WITHOUT_ERROR}


def test_the_table_has_the_class_that_is_raised() -> None:
    answered = [site for site in sites() if site.kind in CLASSES and not site.where.startswith(NO_ANSWERS)]
    assert not [site for site in answered if CLASS_OF_CODE[site.code] is not CLASSES[site.kind]]


def test_every_class_is_in_the_table_with_its_own_code() -> None:
    own = {kind.code: kind for kind in CLASSES.values() if kind is not JobFailed}  # the engine names its code
    assert own.items() <= CLASS_OF_CODE.items()


def test_a_code_has_one_class() -> None:
    assert len(CLASS_OF_CODE) == sum(len(codes) for codes in CODES_OF_CLASS.values())


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        pytest.param("not-ready", 409, Conflict, id="a result that is not ready"),
        pytest.param("not-ready", 503, Unavailable, id="a service that is not ready"),
        pytest.param("upload-stalled", 400, InvalidInput, id="a status of an earlier version"),
        pytest.param("made-up", 409, Conflict, id="a code of a newer version"),
        pytest.param("made-up", 418, InvalidInput, id="a code and a status of a newer version"),
        pytest.param("made-up", 502, DualtrackError, id="a fault of a newer version"),
        pytest.param("detections-deleted", 500, DualtrackError, id="a code that no answer has"),
    ],
)
def test_class_of_an_answer(code: str, status: int, kind: type[DualtrackError]) -> None:
    assert class_of(code, status) is kind


def test_a_status_is_that_of_the_code_before_that_of_the_class() -> None:
    assert (status_of(Unavailable, "disk-full"), status_of(Unavailable, "state-full")) == (507, 503)
