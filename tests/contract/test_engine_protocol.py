"""The worker's handle against an engine that follows a script: whatever one job does, the next one is its own."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.errors import Canceled, DualtrackError
from service.pipeline import protocol
from service.pipeline.engine import EngineDied, EngineProcess, JobFailed

SCRIPTED = Path(__file__).with_name("scripted_engine.py")


@dataclass
class Told:
    """What the handle told of a job, and how it ended."""

    steps: list[tuple[str, int]] = field(default_factory=list)
    notes: list[tuple[str, bool]] = field(default_factory=list)
    end: str = ""


@contextlib.asynccontextmanager
async def scripted(folder: Path, *start: str) -> AsyncIterator[EngineProcess]:
    """A handle whose engine says `start` when it starts."""
    engine = EngineProcess({"scratch": str(folder / "scratch")}, [sys.executable, str(SCRIPTED), *(start or ["ready"])])
    try:
        yield engine
    finally:
        await engine.kill()


async def told(
    engine: EngineProcess,
    script: str,
    *,
    name: str = "first",
    canceled: asyncio.Event | None = None,
    at_step: Callable[[], None] = lambda: None,
) -> Told:
    """Run a job; `at_step` is called in the progress callback."""
    seen = Told()

    def report(progress) -> None:
        seen.steps.append((progress.stage, progress.done))
        at_step()

    def note(cached) -> None:
        seen.notes.append((cached.key, cached.checkpoint))

    try:
        await engine.run({"name": name, "script": script}, report, note, canceled or asyncio.Event())
        seen.end = "done"
    except JobFailed as error:
        seen.end = f"{error.code}: {error.detail}, {'final' if error.final else 'to be repeated'}"
    except DualtrackError as error:
        seen.end = f"{type(error).__name__}: {error.detail}"
    except ValueError as error:
        seen.end = str(error)
    return seen


async def follow_up(engine: EngineProcess) -> None:
    """A second job on the same handle gets its own steps and its own end."""
    second = await told(engine, "step note step done", name="second")
    assert second == Told([("second", 1), ("second", 2)], [("second/clip-1", False)], "done")


STOPPED = [
    pytest.param("until-cancel", id="an engine that listens"),
    pytest.param("step deaf", id="an engine that never answers again"),
]
DIED = "EngineDied: engine: the process ended in the middle of a job (exit code {})"
REFUSED = "EngineDied: engine: engine protocol: {}"
KINDS = ", ".join(protocol.KINDS)


@pytest.mark.parametrize(
    ("script", "end"),
    [
        pytest.param("done", "done", id="done without a step"),
        pytest.param("step step done", "done", id="done"),
        pytest.param("step fail", "broken: first: broken, to be repeated", id="failure that may be repeated"),
        pytest.param("step fail-final", "malformed: first: malformed, final", id="final failure"),
        pytest.param("exit", DIED.format(9), id="the process ends before its first answer"),
        pytest.param("step exit", DIED.format(9), id="the process ends in mid job"),
        pytest.param("step kill", DIED.format(-9), id="the process is killed in mid job"),
        pytest.param("step half kill", DIED.format(-9), id="the process is killed in mid line"),
        pytest.param(
            "step malformed", REFUSED.format("expected a line of JSON, got b'Warning: slow\\n'"), id="no JSON"
        ),
        pytest.param("step unknown", REFUSED.format(f"unknown message 'pause', expected one of {KINDS}"), id="unknown"),
        pytest.param("step command", "EngineDied: engine: expected it to do a job, got cancel", id="a command"),
        pytest.param("step ready", "EngineDied: engine: expected it to do a job, got ready", id="a second greeting"),
        pytest.param("step huge", "EngineDied: engine: it wrote a line of more than 1048576 bytes", id="a huge line"),
    ],
)
def test_a_job_ends_as_the_engine_says_and_the_next_one_is_its_own(script: str, end: str, tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            first = await told(engine, script)
            assert first.end == end
            assert first.steps == [("first", n + 1) for n in range(script.split().count("step"))]
            await follow_up(engine)

    asyncio.run(check())


def test_notes_of_the_cache_say_which_are_checkpoints(tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            first = await told(engine, "note checkpoint done")
            assert first.notes == [("first/clip-1", False), ("first/checkpoint-1", True)]

    asyncio.run(check())


@pytest.mark.parametrize(
    ("start", "words"),
    [
        pytest.param("exit", "expected it to get ready, got its end", id="it ends"),
        pytest.param("kill", "expected it to get ready, got its end", id="it is killed"),
        pytest.param("step", "expected it to get ready, got progress", id="it reports a step"),
        pytest.param("done", "expected it to get ready, got done", id="it is done before it has begun"),
        pytest.param("malformed", "expected a line of JSON", id="it writes no JSON"),
        pytest.param("newer", "the other side speaks format 2, this one format 1$", id="it is newer"),
    ],
)
def test_an_engine_that_does_not_get_ready_is_refused(start: str, words: str, tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path, start) as engine:
            with pytest.raises(EngineDied, match=words):
                await engine.start()
            assert engine._process is None

    asyncio.run(check())


def fault() -> None:
    raise ValueError("a fault in the callback")


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("step done", id="at the last step"),
        pytest.param("step step note step done", id="with more to come"),
        pytest.param("step fail-final", id="before a failure"),
        pytest.param("step exit", id="before the end of the process"),
        pytest.param("step deaf", id="before silence"),
    ],
)
def test_after_a_fault_in_the_progress_callback_the_next_job_is_its_own(script: str, tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            first = await told(engine, script, at_step=fault)
            assert first == Told([("first", 1)], [], "a fault in the callback")
            await follow_up(engine)

    asyncio.run(check())


@pytest.mark.parametrize("script", ["done", "fail", "fail-final"])
def test_an_engine_that_has_ended_its_run_is_kept(script: str, tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            await engine.start()
            process = engine._process
            await told(engine, script)
            await follow_up(engine)
            assert engine._process is process

    asyncio.run(check())


def test_what_an_earlier_run_still_says_is_passed_over(tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            assert (await told(engine, "step done step note fail-final done")).end == "done"
            await follow_up(engine)

    asyncio.run(check())


def test_an_answer_about_a_run_that_was_not_begun_ends_the_engine(tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            first = await told(engine, "step next-run done")
            assert first.end == "EngineDied: engine: expected an answer about run 1, got done of run 2"
            await follow_up(engine)

    asyncio.run(check())


def test_an_engine_killed_between_jobs_is_started_again(tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            await told(engine, "step done")
            process = engine._process
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
            await follow_up(engine)

    asyncio.run(check())


@pytest.mark.parametrize("script", STOPPED)
def test_a_cancel_in_mid_job_stops_it_and_not_the_next(script: str, tmp_path: Path) -> None:
    async def check() -> None:
        canceled = asyncio.Event()
        async with scripted(tmp_path) as engine:
            first = await told(engine, script, canceled=canceled, at_step=canceled.set)
            assert first.end.startswith(Canceled.__name__)
            await follow_up(engine)

    asyncio.run(check())


def test_a_cancel_with_the_last_step_does_not_reach_the_next_job(tmp_path: Path) -> None:
    async def check() -> None:
        canceled = asyncio.Event()
        async with scripted(tmp_path) as engine:
            await told(engine, "step done", canceled=canceled, at_step=canceled.set)
            await follow_up(engine)

    asyncio.run(check())


@pytest.mark.parametrize("script", STOPPED)
def test_a_worker_that_stops_ends_its_engine_and_removes_its_files(script: str, tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            stepped = asyncio.Event()
            job = asyncio.create_task(told(engine, script, at_step=stepped.set))
            await stepped.wait()
            process = engine._process
            assert process is not None
            (tmp_path / "scratch").mkdir()
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job
            assert process.returncode == -signal.SIGKILL
            assert not (tmp_path / "scratch").exists()
            await follow_up(engine)

    asyncio.run(check())
