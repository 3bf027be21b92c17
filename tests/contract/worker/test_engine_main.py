"""The real engine process with the bundled models, line by line."""

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
from service.worker.engine_main import REFUSED
from tests.support.clips import plain
from tests.support.pipelines import REPOSITORY
from tests.support.results import STORED


class JobEngine:
    """The process, and the lines to and from it."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(data_dir=folder, model_repository=REPOSITORY, threads=1)
        self.folder = folder
        self.start = Start({**settings.engine_settings().to_json(), "scratch": str(folder / "scratch")})
        self.log = (folder / "engine.log").open("wb")
        self.process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True
        )

    def say(self, *messages: Message | str) -> None:
        """Send messages, or lines that are none, all at once."""
        lines = [message if isinstance(message, str) else protocol.encode(message) for message in messages]
        assert self.process.stdin is not None
        self.process.stdin.write("".join(lines))
        self.process.stdin.flush()

    def job(self, run: int, video: Path, **parameters: Any) -> Do:
        out = self.folder / f"out{run}"
        sha256 = sha256_of(video)
        return Do(run, {"video": str(video), "sha256": sha256, "out": str(out), "parameters": parameters})

    def answers(self, *last: type[Message]) -> list[Message]:
        """Answers up to the first of one of the kinds."""
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(protocol.decode(line))
            if isinstance(said[-1], last):
                return said
        raise AssertionError(f"ended after {said}: {self.words()}")

    def words(self) -> str:
        """What it has written to its log."""
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
    engine.say(engine.start)
    assert engine.answers(Ready) == [Ready()]
    engine.say(engine.job(1, tmp_path / "bad.mp4"), engine.job(2, video))
    *_, bad = engine.answers(Done, Failed)
    assert isinstance(bad, Failed)
    assert (bad.run, bad.code, bad.final) == (1, "unsupported-container", True)
    *steps, last = engine.answers(Done, Failed)
    assert last == Done(2)
    assert {step.run for step in steps} == {2}
    assert {step.stage for step in steps if isinstance(step, Step)} >= {"decode", "detect"}
    assert (engine.folder / "out2" / STORED).exists()
    assert engine.close() == 0


def test_a_disk_that_is_full_fails_the_attempt_and_leaves_no_file_and_the_engine(
    engine: JobEngine, video: Path
) -> None:
    engine.say(engine.start)
    engine.answers(Ready)
    # no file may grow beyond this: not the result's, and not those of the cache
    resource.prlimit(engine.process.pid, resource.RLIMIT_FSIZE, (50, resource.RLIM_INFINITY))
    engine.say(engine.job(1, video))
    *_, full = engine.answers(Done, Failed)
    assert isinstance(full, Failed)
    assert (full.run, full.code, full.final) == (1, "disk-full", False)
    assert {path for path in engine.folder.rglob("*") if path.is_file()} == {engine.folder / "engine.log", video}
    resource.prlimit(engine.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    engine.say(engine.job(2, video))
    assert engine.answers(Done, Failed)[-1] == Done(2)


def test_the_input_that_ends_in_mid_job_ends_the_engine(engine: JobEngine, video: Path) -> None:
    engine.say(engine.start, engine.job(1, video))
    engine.answers(Step)
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
    engine.say(engine.start, *messages)
    assert engine.answers(Ready) == [Ready()]
    for end in ends:
        what, number = end.split()
        *steps, last = engine.answers(Done, Failed)
        if what == "done":
            assert last == Done(int(number))
        else:
            assert last == Failed(int(number), "canceled", "job: canceled", final=True)
            assert steps == []


def test_a_cancel_in_mid_run_stops_it_and_not_the_next(engine: JobEngine, tmp_path: Path) -> None:
    engine.say(engine.start, engine.job(1, plain(tmp_path / "long.mp4", 60)))
    engine.answers(Step)
    engine.say(Cancel(1), engine.job(2, plain(tmp_path / "next.mp4")))
    assert engine.answers(Done, Failed)[-1] == Failed(1, "canceled", "job: canceled", final=True)
    assert engine.answers(Done, Failed)[-1] == Done(2)


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        pytest.param(Start({}, 3), "the other side uses format 3, this side format 2", id="a newer worker"),
        pytest.param("{}\n", "unknown message None", id="no message"),
        pytest.param(Cancel(1), "expected start, got cancel", id="another message"),
    ],
)
def test_another_greeting_is_refused_in_one_line(engine: JobEngine, greeting: Message | str, words: str) -> None:
    engine.say(greeting)
    assert engine.close() == REFUSED
    (line,) = engine.words().splitlines()
    assert line.startswith(f"engine protocol: {words}")


@pytest.mark.parametrize("in_job", [pytest.param(False, id="when idle"), pytest.param(True, id="in mid job")])
@pytest.mark.parametrize(
    ("command", "words"),
    [
        pytest.param("cancel!\n", "expected a line of JSON", id="no JSON"),
        pytest.param('{"message": "pause", "run": 1}\n', "unknown message 'pause'", id="unknown"),
        pytest.param(Done(1), "expected do or cancel, got done", id="an answer"),
    ],
)
def test_what_is_no_command_ends_the_engine_and_is_named(
    engine: JobEngine, video: Path, command: Message | str, words: str, in_job: bool
) -> None:
    engine.say(engine.start)
    engine.answers(Ready)
    if in_job:
        engine.say(engine.job(1, video))
        engine.answers(Step)
    engine.say(command)
    assert engine.process.wait() == REFUSED
    assert words in engine.words()
