"""A cancel stops its job wherever it falls, and never another one; so does the end of the worker."""

import asyncio
import signal
from pathlib import Path

import pytest

from dualtrack.errors import Canceled
from tests.contract.worker.scripted_jobs import CANCELED, Outcome, follow_up, run_script, scripted

STOPPED = [
    pytest.param("until-cancel", id="an engine that listens"),
    pytest.param("step deaf", id="an engine that never answers again"),
]


@pytest.mark.parametrize("script", STOPPED)
def test_a_cancel_in_mid_job_stops_it_and_not_the_next(script: str, tmp_path: Path) -> None:
    async def check() -> None:
        canceled = asyncio.Event()
        async with scripted(tmp_path) as engine:
            first = await run_script(engine, script, canceled=canceled, at_step=canceled.set)
            assert first.end.startswith(Canceled.__name__)
            await follow_up(engine)

    asyncio.run(check())


def test_a_cancel_with_the_last_step_does_not_reach_the_next_job(tmp_path: Path) -> None:
    async def check() -> None:
        canceled = asyncio.Event()
        async with scripted(tmp_path) as engine:
            await run_script(engine, "step done", canceled=canceled, at_step=canceled.set)
            await follow_up(engine)

    asyncio.run(check())


@pytest.mark.parametrize("started", [pytest.param(False, id="no engine yet"), pytest.param(True, id="idle engine")])
def test_a_cancel_before_the_job_is_taken_leaves_it_undone(started: bool, tmp_path: Path) -> None:
    async def check() -> None:
        canceled = asyncio.Event()
        canceled.set()
        async with scripted(tmp_path) as engine:
            if started:
                await engine.start()
            assert await run_script(engine, "step done", canceled=canceled) == Outcome(end=CANCELED)
            await follow_up(engine)

    asyncio.run(check())


@pytest.mark.parametrize(
    "start",
    [pytest.param(["ready"], id="an engine that gets ready"), pytest.param(["deaf"], id="an engine that never does")],
)
def test_a_cancel_while_the_engine_starts_leaves_the_job_undone(start: list[str], tmp_path: Path) -> None:
    async def check() -> None:
        canceled = asyncio.Event()
        # comes at the first wait, which is the one for the process to exist
        asyncio.get_running_loop().call_soon(canceled.set)
        async with scripted(tmp_path, *start) as engine:
            assert await run_script(engine, "step done", canceled=canceled) == Outcome(end=CANCELED)

    asyncio.run(check())


def test_a_cancel_stops_the_job_whichever_turn_of_the_loop_it_comes_in(tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            await engine.start()
            for turns in range(20):
                canceled = asyncio.Event()
                job = asyncio.create_task(run_script(engine, "until-cancel", canceled=canceled))
                for _ in range(turns):
                    await asyncio.sleep(0)
                canceled.set()
                assert (await job).end in {CANCELED, "Canceled: first: canceled"}
            await follow_up(engine)

    asyncio.run(check())


def test_a_canceled_job_whose_engine_dies_is_canceled(tmp_path: Path) -> None:
    async def check() -> None:
        canceled = asyncio.Event()
        async with scripted(tmp_path) as engine:
            first = await run_script(engine, "step exit", canceled=canceled, at_step=canceled.set)
            assert first.end == CANCELED
            await follow_up(engine)

    asyncio.run(check())


@pytest.mark.parametrize("script", STOPPED)
def test_a_worker_that_stops_ends_its_engine_and_removes_its_files(script: str, tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            stepped = asyncio.Event()
            job = asyncio.create_task(run_script(engine, script, at_step=stepped.set))
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
