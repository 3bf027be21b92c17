"""The real engine process with the bundled models, line by line."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.bootstrap import engine_settings
from service.pipeline.engine import COMMAND
from service.settings import Settings
from tests.clips import plain
from tests.pipelines import REPOSITORY


class Engine:
    """The process, and the lines to and from it."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(data_dir=folder, model_repository=REPOSITORY, threads=1)
        self.folder, self.settings = folder, engine_settings(settings, str(folder / "scratch"))
        self.log = (folder / "engine.log").open("wb")
        self.process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, bufsize=1
        )

    def say(self, *messages: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
        self.process.stdin.flush()

    def job(self, video: Path, **parameters: Any) -> dict[str, Any]:
        return {"job": {"video": str(video), "out": str(self.folder / "out"), "parameters": parameters}}

    def answers(self, *ends: str) -> list[dict[str, Any]]:
        """Answers up to the first of one of the kinds."""
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(json.loads(line))
            if said[-1].keys() & set(ends):
                return said
        raise AssertionError(f"ended after {said}: {Path(self.log.name).read_text()}")

    def close(self) -> int:
        """The exit status once its input has ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.stdout.close()
        self.log.close()
        return self.process.wait()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path)
    try:
        yield made
    finally:
        if made.process.returncode is None:
            made.process.kill()
            made.close()


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return plain(tmp_path / "a.mp4")


def test_one_job_after_the_other_until_the_input_ends(engine: Engine, video: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    engine.say(engine.settings)
    assert [list(answer) for answer in engine.answers("ready")] == [["ready"]]
    engine.say(engine.job(tmp_path / "bad.mp4"), engine.job(video))
    bad = engine.answers("done", "error")
    assert (bad[-1]["error"]["code"], bad[-1]["final"]) == ("unsupported-container", True)
    *steps, last = engine.answers("done", "error")
    assert list(last) == ["done"]
    assert {step["progress"]["stage"] for step in steps if "progress" in step} >= {"decode", "detect"}
    assert (engine.folder / "out" / "tubelets.json").exists()
    assert engine.close() == 0


def test_the_input_that_ends_in_mid_job_ends_the_engine(engine: Engine, video: Path) -> None:
    engine.say(engine.settings, engine.job(video))
    engine.answers("progress")
    assert engine.close() == 0
    assert not list((engine.folder / "scratch").glob("*"))
