"""A job killed at any step goes on from its last checkpoint and ends with the bytes of one that was not."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.worker.interrupted_job import EVERY
from tests.support.clips import cut
from tests.support.results import STORED, document_in

FRAMES = 10


def attempt(video: Path, folder: Path, *end: str) -> list[tuple[str, int]]:
    """The steps that it reported, in order: stage and frames done. `end`: after how many of a stage it dies."""
    command = [
        sys.executable,
        "-m",
        "tests.integration.worker.interrupted_job",
        str(video),
        str(folder),
        f"{folder}/cache",
    ]
    done = subprocess.run([*command, *end], check=False, capture_output=True, text=True)
    assert done.returncode == (-signal.SIGKILL if end else 0), done.stderr
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    return [(step["stage"], step["done"]) for step in steps]


def result(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in (STORED, "ytvis.json")]


def checkpoints(folder: Path) -> list[Path]:
    return list((folder / "cache").glob("*/checkpoint-*"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut(tmp_path_factory.mktemp("clip") / "clip.mp4", FRAMES)


@dataclass(frozen=True)
class Unbroken:
    """A job that nothing interrupted."""

    steps: list[tuple[str, int]]
    result: list[bytes]

    def of(self, stage: str) -> list[int]:
        """Frames done after each step of a stage."""
        return [done for name, done in self.steps if name == stage]


@pytest.fixture(scope="module")
def unbroken(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    folder = tmp_path_factory.mktemp("unbroken")
    made = Unbroken(attempt(clip, folder), result(folder))
    assert len(made.of("track")) > 2 * FRAMES
    assert not checkpoints(folder)
    document = document_in(folder)
    assert document["tubelets"]
    return made


@pytest.mark.parametrize(
    ("stage", "killed_at", "goes_on_after"),
    [
        pytest.param("detect", 3, 0, id="before-the-first-checkpoint"),
        pytest.param("detect", 10, 8, id="in-detection"),
        pytest.param("track", 7, 4, id="in-the-forward-sweep"),
        pytest.param("track", 19, 16, id="in-the-backward-sweep"),
    ],
)
def test_a_killed_job_goes_on(
    stage: str, killed_at: int, goes_on_after: int, clip: Path, unbroken: Unbroken, tmp_path: Path
) -> None:
    attempt(clip, tmp_path, stage, str(killed_at))
    again = attempt(clip, tmp_path)
    assert [done for name, done in again if name == stage] == unbroken.of(stage)[goes_on_after:]
    assert killed_at - goes_on_after <= EVERY
    if stage == "track":
        assert [done for name, done in again if name == "detect"] == [FRAMES]  # from the cache
    assert result(tmp_path) == unbroken.result
    assert not checkpoints(tmp_path)


@pytest.mark.parametrize(("stage", "killed_at"), [("detect", 9), ("track", 14)])
def test_a_damaged_checkpoint_means_starting_over(
    stage: str, killed_at: int, clip: Path, unbroken: Unbroken, tmp_path: Path
) -> None:
    attempt(clip, tmp_path, stage, str(killed_at))
    assert checkpoints(tmp_path)
    for path in checkpoints(tmp_path):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    again = attempt(clip, tmp_path)
    assert [done for name, done in again if name == stage] == unbroken.of(stage)
    assert result(tmp_path) == unbroken.result
    assert not checkpoints(tmp_path)
