"""The examples of the pages run as they are written: Python in one namespace per page, shell as one script."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.docs.pages import ROOT, blocks, name_of, pages

SERVICE = "http://127.0.0.1:8080"
PYTHON = [path for path in pages() if blocks(path.read_text(), "python") and "model_repository" not in path.parts]
SHELL = ("docs/start/cli.md", "docs/start/curl.md", "docs/how-to/own-detections.md", "docs/how-to/own-classes.md")
"""Pages whose commands need no more than a clip and a service; of the others the commands are checked, not run."""


@pytest.mark.parametrize("page", PYTHON, ids=name_of)
def test_python(page: Path, service: str, folder: Path) -> None:
    if page.name == "result.md":
        make_a_result(folder)
    script = "\n".join(block.text for block in blocks(page.read_text(), "python"))
    run([sys.executable, "-c", script.replace(SERVICE, service)])


@pytest.mark.parametrize("page", SHELL)
def test_shell(page: str, service: str, folder: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl on PATH")
    script = "\n".join(block.text for block in blocks((ROOT / page).read_text(), "sh"))
    out = run(["bash", "-euo", "pipefail", "-c", script.replace(SERVICE, service)])
    expected = {
        "docs/start/cli.md": {"clip.mp4-tubelets", "strict", "paper", "from-service"},
        "docs/start/curl.md": {"tubelets.json", "ytvis.json", "overlay.mp4"},
        "docs/how-to/own-detections.md": {"pedestrians.mp4-tubelets"},
        "docs/how-to/own-classes.md": {"clip.mp4-tubelets"},
    }
    assert expected[page] <= {path.name for path in folder.iterdir()}
    if page == "docs/how-to/own-detections.md":
        assert "walker" in out


def make_a_result(folder: Path) -> None:
    run(["bash", "-c", "dualtrack segment clip.mp4 --no-overlay --out ."])
    assert (folder / "tubelets.json").is_file()


def run(command: list[str]) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, check=False, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
