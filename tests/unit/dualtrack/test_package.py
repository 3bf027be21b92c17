"""The public package: its names, what importing it costs, and how processes are started."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import dualtrack
from dualtrack import errors
from dualtrack.children import child_environment, python_command, require_linux, require_serving
from dualtrack.error_codes import CLASS_OF_CODE, error_of_code
from dualtrack.errors import ConfigurationError, DualtrackError

ROOT = Path(__file__).parents[3]
PACKAGES = ("dualtrack", "service", "evaluation", "export", "training")


@pytest.mark.parametrize("name", dualtrack.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(dualtrack, name)
    assert name == "__version__" or inspect.getdoc(value)
    assert name in dir(dualtrack)


def test_every_error_is_public() -> None:
    defined = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert defined <= set(dualtrack.__all__)


def test_another_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = dualtrack.nothing


def test_importing_the_package_imports_no_library() -> None:
    code = "import sys; import dualtrack; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not {"httpx", "numpy", "rich", "pycocotools", "asyncio"} & loaded


def test_the_client_imports_no_part_of_the_service() -> None:
    code = "import sys; from dualtrack import *; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "dualtrack.engine.engine" in loaded
    assert not {
        name for name in loaded if name.partition(".")[0] in {"service", "pydantic", "onnxruntime", "av", "cv2"}
    }


def test_every_process_is_started_by_one_function() -> None:
    """`sys.executable` in a list or tuple is a command of its own making."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.List | ast.Tuple) and "sys.executable" in map(ast.unparse, node.elts)
    ]
    assert [place.partition(":")[0] for place in found] == ["dualtrack/children.py"]


def test_a_child_finds_our_packages_and_not_those_of_its_folder(tmp_path: Path) -> None:
    for package in ("service", "dualtrack"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise ImportError('somebody else\\'s')")
    environment = child_environment({"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)})
    assert "PYTHONPATH" not in environment
    command = python_command("service.processes.liveness", str(tmp_path / "none"), "1")
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr[:6]) == (1, "worker")


def test_another_system_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ConfigurationError, match=r"^engine: expected Linux, got win32; the client .* runs here$"):
        require_linux("engine")
    with pytest.raises(ConfigurationError, match="expected Linux"):
        dualtrack.Engine()


def test_what_an_engine_lacks_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dualtrack.children.find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(ConfigurationError, match=r'^engine: needs onnxruntime: pip install "dualtrack\[cpu\]"$'):
        require_serving("engine")


@pytest.mark.parametrize("code", sorted(CLASS_OF_CODE))
def test_a_code_of_the_engine_is_raised_as_its_class(code: str) -> None:
    error = error_of_code(code, "why")
    assert (type(error), error.code, error.detail) == (CLASS_OF_CODE[code], code, "why")


def test_an_unknown_code_of_the_engine_is_kept() -> None:
    error = error_of_code("newer-than-this", "why")
    assert (type(error), error.code) == (DualtrackError, "newer-than-this")
