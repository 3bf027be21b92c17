"""The real engine process with the bundled models, line by line."""

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dualtrack import protocol
from dualtrack.digest import sha256_of
from dualtrack.engine.handle import COMMAND
from dualtrack.protocol import Cancel, Do, Done, Failed, Message, Ready, Start, Step
from service.settings import Settings
from service.worker.engine_main import REFUSED, UNUSABLE
from tests.support.clips import plain
from tests.support.pipelines import REPOSITORY
from tests.support.results import STORED

READY = Ready(silent_s=120, deadline_s=6 * 3600)


class JobEngine:
    """The process, and the lines to and from it."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(data_dir=folder, model_repository=REPOSITORY, threads=1)
        self.folder = folder
        self.start = Start({**settings.engine_settings().to_json(), "scratch": str(folder / "scratch")})
        self.log = (folder / "engine.log").open("wb")
        self.process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env={**os.environ, "DUALTRACK_DATA_DIR": str(folder / "elsewhere"), "DUALTRACK_JOB_DEADLINE_S": "99"},
        )

    def send(self, *messages: Message | str) -> None:
        """Send messages, or lines that are not messages, all at once."""
        lines = [message if isinstance(message, str) else protocol.encode(message) for message in messages]
        assert self.process.stdin is not None
        self.process.stdin.write("".join(lines))
        self.process.stdin.flush()

    def job(self, run: int, video: Path, **parameters: Any) -> Do:
        out = self.folder / f"out{run}"
        sha256 = sha256_of(video)
        return Do(run, {"video": str(video), "sha256": sha256, "out": str(out), "parameters": parameters})

    def receive(self, *last: type[Message]) -> list[Message]:
        """Messages up to the first that is of one of the kinds."""
        assert self.process.stdout is not None
        received = []
        for line in self.process.stdout:
            received.append(protocol.decode(line))
            if isinstance(received[-1], last):
                return received
        raise AssertionError(f"ended after {received}: {self.log_text()}")

    def log_text(self) -> str:
        """Its log so far."""
        return Path(self.log.name).read_text()

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
def engine(tmp_path: Path) -> Iterator[JobEngine]:
    made = JobEngine(tmp_path)
    try:
        yield made
    finally:
        if not made.log.closed:
            made.process.kill()
            made.close()


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return plain(tmp_path / "a.mp4")


def test_one_job_after_the_other_until_the_input_ends(engine: JobEngine, video: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    engine.send(engine.start)
    assert engine.receive(Ready) == [READY]
    engine.send(engine.job(1, tmp_path / "bad.mp4"), engine.job(2, video))
    *_, bad = engine.receive(Done, Failed)
    assert isinstance(bad, Failed)
    assert (bad.run, bad.code, bad.final) == (1, "unsupported-container", True)
    *steps, last = engine.receive(Done, Failed)
    assert last == Done(2)
    assert {step.run for step in steps} == {2}
    assert {step.stage for step in steps if isinstance(step, Step)} >= {"decode", "detect"}
    assert (engine.folder / "out2" / STORED).exists()
    assert engine.close() == 0


def test_a_disk_that_is_full_fails_the_attempt_and_leaves_no_file_and_the_engine(
    engine: JobEngine, video: Path
) -> None:
    engine.send(engine.start)
    engine.receive(Ready)
    # no file may grow beyond this: not the result's, and not those of the cache
    resource.prlimit(engine.process.pid, resource.RLIMIT_FSIZE, (50, resource.RLIM_INFINITY))
    engine.send(engine.job(1, video))
    *_, full = engine.receive(Done, Failed)
    assert isinstance(full, Failed)
    assert (full.run, full.code, full.final) == (1, "disk-full", False)
    assert {path for path in engine.folder.rglob("*") if path.is_file()} == {engine.folder / "engine.log", video}
    resource.prlimit(engine.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    engine.send(engine.job(2, video))
    assert engine.receive(Done, Failed)[-1] == Done(2)


def test_settings_that_are_left_out_come_from_the_environment(engine: JobEngine, video: Path, tmp_path: Path) -> None:
    engine.send(Start({"threads": 1, "engine_silent_s": 7, "inference_deadline_s": 8, "limits": {"wall_s": 5}}))
    # as long as an engine may wait for Triton it is not frozen
    assert engine.receive(Ready) == [Ready(silent_s=16, deadline_s=99)]
    scratch = tmp_path / "elsewhere" / "scratch"
    assert [path.suffix for path in scratch.iterdir()] == [".lock"]
    engine.send(engine.job(1, video))
    assert engine.receive(Done, Failed)[-1] == Done(1)
    assert engine.close() == 0
    assert list(scratch.iterdir()) == []


def test_models_that_can_not_be_used_are_reported_in_place_of_ready(engine: JobEngine, tmp_path: Path) -> None:
    engine.send(Start({**engine.start.settings, "model_repository": str(tmp_path / "nowhere")}))
    [failed] = engine.receive(Failed, Ready)
    assert isinstance(failed, Failed)
    assert failed.code == "configuration"
    assert "nowhere" in failed.detail
    assert engine.close() == UNUSABLE
    assert "Traceback" not in engine.log_text()


def test_the_input_that_ends_in_mid_job_ends_the_engine(engine: JobEngine, video: Path) -> None:
    engine.send(engine.start, engine.job(1, video))
    engine.receive(Step)
    assert engine.close() == 0
    assert not list((engine.folder / "scratch").glob("*"))


@pytest.mark.parametrize(
    ("commands", "ends"),
    [
        pytest.param("run 1, cancel 1", ["canceled 1"], id="before the run is taken"),
        pytest.param("cancel 1, run 1", ["canceled 1"], id="before the run comes"),
        pytest.param("run 1, run 2, cancel 2", ["done 1", "canceled 2"], id="of the run that waits"),
        pytest.param("run 1, cancel 1, run 2", ["canceled 1", "done 2"], id="of the run before"),
        pytest.param("cancel 1, cancel 3, run 2", ["done 2"], id="of other runs"),
    ],
)
def test_a_cancel_stops_its_run_before_the_first_step_and_no_other(
    engine: JobEngine, video: Path, commands: str, ends: list[str]
) -> None:
    messages: list[Message] = []
    for command in commands.split(", "):
        kind, number = command.split()
        messages.append(engine.job(int(number), video) if kind == "run" else Cancel(int(number)))
    # all of it is read while the models are loaded
    engine.send(engine.start, *messages)
    assert engine.receive(Ready) == [READY]
    for end in ends:
        what, number = end.split()
        *steps, last = engine.receive(Done, Failed)
        if what == "done":
            assert last == Done(int(number))
        else:
            assert last == Failed(int(number), "canceled", "job: canceled", final=True)
            assert steps == []


def test_a_cancel_in_mid_run_stops_it_and_not_the_next(engine: JobEngine, tmp_path: Path) -> None:
    engine.send(engine.start, engine.job(1, plain(tmp_path / "long.mp4", 60)))
    engine.receive(Step)
    engine.send(Cancel(1), engine.job(2, plain(tmp_path / "next.mp4")))
    assert engine.receive(Done, Failed)[-1] == Failed(1, "canceled", "job: canceled", final=True)
    assert engine.receive(Done, Failed)[-1] == Done(2)


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        pytest.param(Start({}, 4), "the other side uses format 4, this side format 3", id="a newer worker"),
        pytest.param("{}\n", "unknown message None", id="no message"),
        pytest.param(Cancel(1), "expected start, got cancel", id="another message"),
    ],
)
def test_another_first_message_is_refused_in_one_line(engine: JobEngine, first: Message | str, expected: str) -> None:
    engine.send(first)
    assert engine.close() == REFUSED
    (line,) = engine.log_text().splitlines()
    assert line.startswith(f"engine protocol: {expected}")


@pytest.mark.parametrize("in_job", [pytest.param(False, id="when idle"), pytest.param(True, id="in mid job")])
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        pytest.param("cancel!\n", "expected a line of JSON", id="no JSON"),
        pytest.param('{"message": "pause", "run": 1}\n', "unknown message 'pause'", id="unknown"),
        pytest.param(Done(1), "expected do or cancel, got done", id="a message of an engine"),
    ],
)
def test_what_is_no_command_ends_the_engine_and_is_named(
    engine: JobEngine, video: Path, command: Message | str, expected: str, in_job: bool
) -> None:
    engine.send(engine.start)
    engine.receive(Ready)
    if in_job:
        engine.send(engine.job(1, video))
        engine.receive(Step)
    engine.send(command)
    assert engine.process.wait() == REFUSED
    assert expected in engine.log_text()
