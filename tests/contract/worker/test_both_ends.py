"""`EngineHandle`, which the worker uses, and `dualtrack.Engine` against the same engine: cancel, death, late answer."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import dualtrack
from dualtrack.engine.handle import EngineHandle
from dualtrack.errors import Canceled, DualtrackError
from dualtrack.progress import Progress
from dualtrack.protocol import Step
from service.cli.main import main
from tests.contract.worker.scripted_jobs import SCRIPTED

COMMAND = [sys.executable, str(SCRIPTED), "ready"]


@dataclass
class Outcome:
    """The numbers of the steps of a run, and how it ended."""

    steps: list[int]
    end: str


Run = Callable[[list[tuple[str, bool]]], list[Outcome]]
"""Scripts, each with whether it is canceled at its first step -> their outcomes, on one engine."""


def by_handle(folder: Path) -> Run:
    async def run_all(scripts: list[tuple[str, bool]]) -> list[Outcome]:
        engine = EngineHandle({"scratch": str(folder / "scratch")}, COMMAND)
        try:
            return [await one(engine, *script) for script in scripts]
        finally:
            await engine.kill()

    async def one(engine: EngineHandle, script: str, cancel: bool) -> Outcome:
        seen, canceled = Outcome([], "done"), asyncio.Event()

        def report(step: Step) -> None:
            seen.steps.append(step.done)
            if cancel:
                canceled.set()

        job = {"name": "it", "script": script, "out": str(folder)}
        try:
            await engine.run(job, report, lambda _: None, canceled)
        except Canceled:
            seen.end = "canceled"
        except DualtrackError as error:
            seen.end = error.code
        return seen

    return lambda scripts: asyncio.run(run_all(scripts))


class Scripted(dualtrack.Engine):
    _command = COMMAND


def by_engine(folder: Path) -> Run:
    def run_all(scripts: list[tuple[str, bool]]) -> list[Outcome]:
        with Scripted() as engine:
            return [one(engine, *script) for script in scripts]

    def one(engine: dualtrack.Engine, script: str, cancel: bool) -> Outcome:
        seen = Outcome([], "done")
        video = folder / "it.mp4"
        video.write_text(script)

        def report(progress: Progress) -> None:
            seen.steps.append(progress.done)
            if cancel:
                # what Ctrl-C does
                raise KeyboardInterrupt

        try:
            engine.segment(video, on_progress=report)
        except KeyboardInterrupt:
            seen.end = "canceled"
        except DualtrackError as error:
            seen.end = error.code
        return seen

    return run_all


@pytest.fixture(params=[by_handle, by_engine], ids=["EngineHandle", "Engine"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    made: Run = request.param(tmp_path)
    return made


def test_steps_and_end_of_one_run_after_the_other(run: Run) -> None:
    assert run([("step step result done", False), ("step result done", False)]) == [
        Outcome([1, 2], "done"),
        Outcome([1], "done"),
    ]


@pytest.mark.parametrize("script", ["until-cancel", "step deaf"])
def test_a_cancel_stops_its_run_and_the_next_one_is_its_own(run: Run, script: str) -> None:
    first, second = run([(script, True), ("step step result done", False)])
    assert first.end == "canceled"
    assert second == Outcome([1, 2], "done")


@pytest.mark.parametrize("script", ["exit", "step kill", "step half kill", "step malformed"])
def test_an_engine_that_dies_ends_its_run_and_the_next_one_gets_another(run: Run, script: str) -> None:
    first, second = run([(script, False), ("step result done", False)])
    assert first.end == "engine-died"
    assert second == Outcome([1], "done")


def test_a_late_answer_is_taken_for_no_other_run(run: Run) -> None:
    assert run([("step result done", False), ("late step late result done", False)])[1] == Outcome([1], "done")


@pytest.mark.parametrize("script", ["step fail-final"])
def test_a_failure_has_its_code(run: Run, script: str) -> None:
    assert run([(script, False)])[0] == Outcome([1], "malformed")


def test_an_error_of_the_callback_is_the_callers_own(tmp_path: Path) -> None:
    video = tmp_path / "it.mp4"
    video.write_text("until-cancel")

    def report(_: Progress) -> None:
        raise KeyError("mine")

    with Scripted() as engine:
        with pytest.raises(KeyError, match="mine"):
            engine.segment(video, on_progress=report)
        video.write_text("result done")
        assert engine.segment(video).tubelets == ()


def test_a_closed_engine_is_refused(tmp_path: Path) -> None:
    video = tmp_path / "it.mp4"
    video.write_text("result done")
    with Scripted() as engine:
        engine.segment(video)
    engine.close()
    with pytest.raises(dualtrack.ConfigurationError, match="closed"):
        engine.segment(video)


@pytest.mark.parametrize("given", ["video", "detections"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, given: str) -> None:
    video, nowhere = tmp_path / "it.mp4", tmp_path / "nowhere"
    video.write_text("result done")
    with Scripted() as engine, pytest.raises(dualtrack.InvalidInput, match=f"^{given}: expected a file, got {nowhere}"):
        engine.segment(*(nowhere,) if given == "video" else (video,), **({} if given == "video" else {given: nowhere}))


def test_the_result_stays_where_the_caller_wants_it(tmp_path: Path) -> None:
    video, out = tmp_path / "it.mp4", tmp_path / "out"
    out.mkdir()
    video.write_text("result done")
    with Scripted() as engine:
        result = engine.segment(video, out=out)
    assert [path.name for path in out.iterdir()] == ["tubelets.json"]
    assert dualtrack.load(out / "tubelets.json") == result


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        pytest.param("fail-overlay", "overlay: decode-failed: frame 3 is broken", id="overlay-failed"),
        pytest.param("kill", "overlay: engine-died: engine: the process ended during a job (exit code -9)", id="died"),
    ],
)
def test_an_overlay_that_fails_leaves_the_result(tmp_path: Path, end: str, reason: str) -> None:
    video, out = tmp_path / "it.mp4", tmp_path / "out"
    out.mkdir()
    video.write_text(f"result step {end}")
    with Scripted() as engine:
        with pytest.raises(dualtrack.OverlayFailed) as failed:
            engine.segment(video, out=out)
        assert str(failed.value) == f"{reason}; the result is complete, in {out}/"
        assert [path.name for path in out.iterdir()] == ["tubelets.json"]
        assert dualtrack.load(out / "tubelets.json").tubelets == ()
        # what an earlier call has left is not taken for the result of a later one
        (out / "result.jsonl").write_text("of an earlier call")
        video.write_text("step fail-final")
        with pytest.raises(dualtrack.InvalidVideo):
            engine.segment(video, out=out)


def test_an_interrupt_while_the_overlay_is_drawn_leaves_the_result(tmp_path: Path) -> None:
    video, out = tmp_path / "it.mp4", tmp_path / "out"
    out.mkdir()
    video.write_text("result until-cancel")

    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    with Scripted() as engine, pytest.raises(KeyboardInterrupt):
        engine.segment(video, out=out, on_progress=interrupt)
    assert [path.name for path in out.iterdir()] == ["tubelets.json"]


def test_the_command_shows_the_result_of_a_failed_overlay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    video, out = tmp_path / "it.mp4", tmp_path / "out"
    out.mkdir()
    video.write_text("result step fail-overlay")
    monkeypatch.setattr(dualtrack.Engine, "_command", COMMAND)
    monkeypatch.setattr(sys, "argv", ["dualtrack", "segment", str(video), "--out", str(out)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    shown = capsys.readouterr()
    assert f"Results written to {out}/" in shown.out
    assert "error: overlay-failed: overlay: decode-failed: frame 3 is broken; the result is complete, in" in shown.err
