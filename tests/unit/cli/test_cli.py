"""The command line's table of commands."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.config import variables
from service.cli.main import build_app, load_command
from service.cli.models import models


def plugin(value: str) -> EntryPoint:
    return EntryPoint("name", value, "dualtrack.commands")


@pytest.mark.parametrize("value", ["nowhere:run", "nowhere.command:run", "service.nowhere:run"])
def test_a_program_that_is_not_installed_adds_no_command(value: str) -> None:
    assert load_command(plugin(value)) is None


def test_a_program_that_lacks_something_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_program.py").write_text("import nowhere")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        load_command(plugin("broken_program:run"))
    sys.modules.pop("broken_program", None)


def test_every_setting_has_its_variable() -> None:
    values = {"port": 8080, "limits": {"max_frames": 3000}}
    assert variables(values) == {"DUALTRACK_PORT": 8080, "DUALTRACK_LIMITS__MAX_FRAMES": 3000}


def test_one_command_does_not_import_the_others() -> None:
    code = "import sys; from service.cli.main import build_app; build_app(['segment', 'x.mp4']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "service.cli.segment" in loaded
    assert not {"docket", "redis", "tritonclient", "evaluation", "scipy"} & set(loaded)


def test_without_a_command_all_are_listed() -> None:
    app = build_app(["--help"])
    listed = {item.name for item in (*app.registered_commands, *app.registered_groups)}
    assert {"serve", "worker", "segment", "submit", "models", "doctor", "config", "demo", "evaluate"} <= listed


def test_a_command_of_another_program_joins_a_group_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "other-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[dualtrack.commands.models]\njoined = other_program:run\nabsent = nowhere:run\n"
    )
    (tmp_path / "other_program.py").write_text("def run(): print('it ran')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(models, "registered_commands", list(models.registered_commands))
    for _ in range(2):
        app = build_app(["models"])
    assert [command.name for command in models.registered_commands].count("joined") == 1
    assert "absent" not in {command.name for command in models.registered_commands}
    assert "it ran" in CliRunner().invoke(app, ["models", "joined"]).output
    sys.modules.pop("other_program", None)
