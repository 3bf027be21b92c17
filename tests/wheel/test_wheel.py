"""The wheel in an environment of its own, from a folder whose packages have the names of ours and raise on import.

One environment goes from the base installation over the extra `cpu` to `evaluation`: the tests run in their order.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.annotated import write_dataset
from tests.support.clips import ROOT, cut
from tests.support.ports import free_ports
from tests.support.scenes import Rectangle

NAMES = ("service", "export", "evaluation", "training")
MOST_BYTES = 25_000_000
MODELS = "service/bundled/model_repository"
FRAMES = 8
CONSTRAINTS = ROOT / "requirements" / "dev.txt"
EXAMPLE = """
import sys
import dualtrack

result = dualtrack.segment(sys.argv[1], th_det=0.35, max_seeds=2)
for tubelet in result.tubelets:
    print(tubelet.id, tubelet.category, tubelet.score, tubelet.mask(tubelet.first_frame).shape)
result.save("result.json")
assert dualtrack.load("result.json") == result
"""


@dataclass
class Installed:
    """An environment with the wheel, and the folder where commands are run."""

    wheel: Path
    python: Path
    folder: Path
    clip: Path

    def install(self, extra: str) -> None:
        uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
        pip = [uv, "pip", "install", "--python", str(self.python)] if uv else [str(self.python), "-m", "pip", "install"]
        # the versions of the lock file; OpenCV with windows stays out as there
        given = [*pip, "--quiet", "--constraint", str(CONSTRAINTS), *self._overrides(uv), f"{self.wheel}[{extra}]"]
        subprocess.run(given, check=True, cwd=self.folder)

    def _overrides(self, uv: str | None) -> list[str]:
        return ["--overrides", str(ROOT / "requirements" / "overrides.in")] if uv else []

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DUALTRACK_", "PYTHON"))}
        data = {"DUALTRACK_DATA_DIR": str(self.folder / "data"), "DUALTRACK_THREADS": "1", "COLUMNS": "200"}
        return kept | data | more

    def command(self, *words: object) -> list[str]:
        return [str(self.python.with_name("dualtrack")), *map(str, words)]

    def run(self, *words: object, code: int = 0, **more: str) -> str:
        """What a command prints; it is run in the folder with the packages of the same names."""
        return self.started(self.command(*words), code, **more)

    def started(self, command: list[str], code: int = 0, **more: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment(**more), capture_output=True, text=True, check=False
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    out, home = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = out.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(home / "venv")], check=True)
    folder = home / "work"
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"raise ImportError('somebody else\\'s {name}')\n")
    made = Installed(wheel, home / "venv" / "bin" / "python", folder, cut(folder / "clip.mp4", FRAMES))
    made.install("")
    return made


def test_the_wheel_is_small_and_has_the_models(installed: Installed) -> None:
    assert installed.wheel.stat().st_size < MOST_BYTES


def test_the_base_installation_is_the_client(installed: Installed) -> None:
    assert re.fullmatch(r"dualtrack \d+\.\d+\.\d+\S*\n", installed.run("--version"))
    assert " submit " in installed.run("--help")
    assert "th_det" in installed.run("parameters")
    assert 'pip install "dualtrack[cpu]"' in installed.run("doctor")
    assert "segment" in installed.run(_DUALTRACK_COMPLETE="complete_bash", COMP_WORDS="dualtrack seg", COMP_CWORD="1")
    refused = installed.run("submit", installed.clip, "--url", "http://127.0.0.1:1/", "--url", "nowhere", code=3)
    assert "expected http://HOST:PORT" in refused


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (("serve",), "cpu"),
        (("segment", "clip.mp4"), "cpu"),
        (("config",), "cpu"),
        (("demo",), "cpu"),
        (("models",), "cpu"),
        (("evaluate", "clip.mp4"), "evaluation"),
        (("export", "lite"), "models"),
    ],
)
def test_a_command_that_needs_more_says_what_to_install(
    installed: Installed, command: tuple[str, ...], extra: str
) -> None:
    said = installed.run(*command, code=6)
    assert said.strip().count("\n") == 0
    assert said.strip().endswith(f'pip install "dualtrack[{extra}]"')


def test_the_extra_cpu_segments(installed: Installed) -> None:
    installed.install("cpu")
    installed.run("doctor")
    assert MODELS in installed.run("models", "list").replace("\n", "")
    assert "DUALTRACK_PORT" in installed.run("config")
    installed.run("segment", installed.clip, "-p", "max_seeds=2")
    files = {path.name for path in (installed.folder / "clip.mp4-tubelets").iterdir()}
    assert files == {"tubelets.json", "ytvis.json", "overlay.mp4"}


def test_the_python_example_runs_beside_packages_of_the_same_names(installed: Installed) -> None:
    (installed.folder / "example.py").write_text(EXAMPLE)
    # the script's folder is on the import path, here even twice; the engine's process has neither
    printed = installed.started([str(installed.python), "example.py", "clip.mp4"], PYTHONPATH=str(installed.folder))
    assert "person" in printed
    assert json.loads((installed.folder / "result.json").read_text())["video"]["frames"] == FRAMES


@pytest.fixture
def url(installed: Installed) -> Iterator[str]:
    [port] = free_ports(1)
    service = subprocess.Popen(
        installed.command("serve", "--port", port),
        cwd=installed.folder,
        env=installed.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert service.stdout is not None
        for line in service.stdout:
            if "ready" in line and "url" in line:
                break
        else:
            raise AssertionError("the service ended")
        yield f"http://127.0.0.1:{port}"
    finally:
        service.terminate()
        service.communicate()


def test_serve_and_submit(installed: Installed, url: str) -> None:
    printed = installed.run("submit", installed.clip, "--url", url, "--out", "submitted", "-p", "max_seeds=2")
    assert "Results written to submitted/" in printed
    assert (installed.folder / "submitted" / "overlay.mp4").stat().st_size > 0


def test_evaluate_with_its_extra(installed: Installed) -> None:
    installed.install("evaluation")
    data = installed.folder / "annotated"
    data.mkdir()
    write_dataset(data, {"a": [Rectangle((220, 40, 40), 60, 40, 60, 60, step_xy=(2, 0))]}, frames=2)
    installed.run("evaluate", data, "--json", "figures.json")
    assert "AP" in json.loads((installed.folder / "figures.json").read_text())
