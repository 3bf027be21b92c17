"""The command line's table of commands."""

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

import dualtrack
from dualtrack.errors import ConfigurationError
from service.cli.commands import OWN, PLUGINS, load_command, missing_extra, points, summary_of
from service.cli.config import descriptions, variables
from service.cli.main import build_app
from service.cli.models import models
from service.settings import Settings


def plugin(value: str, name: str = "name") -> EntryPoint:
    return EntryPoint(name, value, PLUGINS)


def test_a_program_that_is_not_installed_adds_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(
        tmp_path, PLUGINS, "absent = nowhere:run\nelsewhere = service.nowhere:run\npresent = other_program:run"
    )
    (tmp_path / "other_program.py").write_text("def run(): pass")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert {"absent", "elsewhere", "present"} & points().keys() == {"present"}


def test_a_command_that_lacks_a_package_names_it_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_program.py").write_text("import nowhere")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"^dualtrack name: needs the package nowhere$"):
        load_command(plugin("broken_program:run"))
    sys.modules.pop("broken_program", None)


@pytest.mark.parametrize(
    ("module", "extra"),
    [("service.cli.serve", "cpu"), ("evaluation.commands.tune", "evaluation"), ("export.commands.export", "models")],
)
def test_what_brings_a_missing_package_is_named(module: str, extra: str) -> None:
    error = missing_extra(ModuleNotFoundError(name="scipy"), "tune", module)
    assert error.detail == f'dualtrack tune: needs scipy: pip install "dualtrack[{extra}]"'


def test_another_system_has_the_client_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ConfigurationError, match=r"dualtrack serve: expected Linux, got darwin; the client"):
        load_command(plugin(OWN["serve"], "serve"))
    for name in ("submit", "doctor", "parameters"):
        assert callable(load_command(plugin(OWN[name], name)))


@pytest.mark.parametrize("name", [name for name in OWN if name != "models"])
def test_the_listed_summary_is_that_of_the_command(name: str) -> None:
    point = points()[name]
    assert summary_of(point) == (point.load().__doc__ or "").partition("\n\n")[0].replace("\n    ", " ").strip()


def test_the_listed_summary_of_a_group_is_its_help() -> None:
    assert summary_of(points()["models"]) == models.info.help


def test_every_setting_has_its_variable_and_says_what_it_does() -> None:
    explained = variables(descriptions(Settings))
    assert explained.keys() == variables(Settings().masked()).keys()
    assert {"DUALTRACK_PORT", "DUALTRACK_LIMITS__MAX_FRAMES"} <= explained.keys()
    assert [name for name, text in explained.items() if not text] == []


def modules_of(arguments: list[str]) -> set[str]:
    code = f"import sys; from service.cli.main import build_app; build_app({arguments!r}); print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_one_command_does_not_import_the_others() -> None:
    loaded = modules_of(["segment", "x.mp4"])
    assert "service.cli.segment" in loaded
    assert not {"docket", "redis", "tritonclient", "evaluation.commands.tune", "scipy"} & loaded


def test_help_imports_no_command() -> None:
    loaded = modules_of(["--help"])
    assert not {"numpy", "httpx", "service.settings", "service.cli.submit"} & loaded


def test_without_a_command_all_are_listed() -> None:
    shown = CliRunner().invoke(build_app(["--help"]), ["--help"]).output
    for name in ("serve", "worker", "segment", "submit", "models", "doctor", "config", "demo", "evaluate", "export"):
        assert f" {name} " in shown


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(build_app(), ["--version"]).output == f"dualtrack {dualtrack.__version__}\n"


@pytest.mark.parametrize(
    ("line", "wanted"), [("dualtrack seg", "segment"), ("dualtrack segment --cat", "--categories")]
)
def test_a_shell_completes_commands_and_options(line: str, wanted: str) -> None:
    words = line.split()
    variables = {"_DUALTRACK_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    command = [sys.executable, "-c", "import sys; sys.argv = ['dualtrack']; from service.cli.main import main; main()"]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [wanted]


def distribution(folder: Path, group: str, entries: str) -> None:
    info = folder / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{entries}\n")


def test_a_command_of_another_program_joins_a_group_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path, f"{PLUGINS}.models", "joined = other_program:run\nabsent = nowhere:run")
    (tmp_path / "other_program.py").write_text('def run():\n    """What it does."""\n    print("it ran")')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(models, "registered_commands", list(models.registered_commands))
    listed = CliRunner().invoke(build_app(["models"]), ["models", "--help"]).output
    assert "What it does." in listed
    assert "absent" not in listed
    assert "other_program" not in sys.modules
    for _ in range(2):
        app = build_app(["models", "joined"])
    assert [command.name for command in models.registered_commands].count("joined") == 1
    assert "it ran" in CliRunner().invoke(app, ["models", "joined"]).output
    sys.modules.pop("other_program", None)


def test_doctor_reports_the_serving_stack() -> None:
    done = CliRunner().invoke(build_app(["doctor"]), ["doctor", "--json"])
    checks = {check["name"]: check for check in json.loads(done.output)}
    assert {"dualtrack", "python", "onnxruntime", "providers", "models", "redis", "inference"} <= checks.keys()
    assert checks["models"]["ok"] is True
