"""The worker's handle against an engine that follows a script: whatever one job does, the next one is its own."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from dualtrack import protocol
from dualtrack.errors import EngineDied
from tests.contract.worker.scripted_jobs import Outcome, follow_up, run_script, scripted

DIED = "EngineDied: engine: the process ended during a job (exit code {})"
NO_MESSAGE_OF_A_RUN = "EngineDied: engine: expected a message about a run"
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
        pytest.param("step command", f"{NO_MESSAGE_OF_A_RUN}, got cancel", id="a command"),
        pytest.param("step ready", f"{NO_MESSAGE_OF_A_RUN}, got ready", id="a second ready"),
        pytest.param(
            "step huge",
            "EngineDied: engine: expected lines of at most 1048576 bytes, got a longer one",
            id="a huge line",
        ),
    ],
)
def test_a_job_ends_as_the_engine_says_and_the_next_one_is_its_own(script: str, end: str, tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            first = await run_script(engine, script)
            assert first.end == end
            assert first.steps == [("first", n + 1) for n in range(script.split().count("step"))]
            await follow_up(engine)

    asyncio.run(check())


def test_notes_of_the_cache_say_which_are_checkpoints(tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            first = await run_script(engine, "note checkpoint done")
            assert first.notes == [("first/clip-1", False), ("first/checkpoint-1", True)]

    asyncio.run(check())


@pytest.mark.parametrize(
    ("start", "message"),
    [
        pytest.param("exit", "expected the message ready, got the end of its output", id="it ends"),
        pytest.param("kill", "expected the message ready, got the end of its output", id="it is killed"),
        pytest.param("step", "expected the message ready, got step", id="it reports a step"),
        pytest.param("done", "expected the message ready, got done", id="it is done before it has begun"),
        pytest.param("malformed", "expected a line of JSON", id="it writes no JSON"),
        pytest.param("newer", "the other side uses format 4, this side format 3$", id="it is newer"),
    ],
)
def test_an_engine_that_does_not_get_ready_is_refused(start: str, message: str, tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path, start) as engine:
            with pytest.raises(EngineDied, match=message):
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
            first = await run_script(engine, script, at_step=fault)
            assert first == Outcome([("first", 1)], [], "a fault in the callback")
            await follow_up(engine)

    asyncio.run(check())


@pytest.mark.parametrize("script", ["done", "fail", "fail-final"])
def test_an_engine_that_has_ended_its_run_is_kept(script: str, tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            await engine.start()
            process = engine._process
            await run_script(engine, script)
            await follow_up(engine)
            assert engine._process is process

    asyncio.run(check())


def test_what_an_earlier_run_still_says_is_passed_over(tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            assert (await run_script(engine, "step done step note fail-final done")).end == "done"
            await follow_up(engine)

    asyncio.run(check())


def test_an_answer_about_a_run_that_was_not_begun_ends_the_engine(tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            first = await run_script(engine, "step next-run done")
            assert first.end == "EngineDied: engine: expected a message about run 1, got done of run 2"
            await follow_up(engine)

    asyncio.run(check())


def test_an_engine_killed_between_jobs_is_started_again(tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            await run_script(engine, "step done")
            process = engine._process
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
            await follow_up(engine)

    asyncio.run(check())
