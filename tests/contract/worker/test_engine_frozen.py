"""An engine that neither says anything nor computes is killed; one that only computes is not."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from dualtrack.cpu_time import own_s, tree_s
from tests.contract.worker.scripted_jobs import follow_up, run_script, scripted

FROZEN = "EngineDied: engine: no message and no processor time for 0.5 s"


@pytest.mark.parametrize(
    "script", [pytest.param("deaf", id="from the start"), pytest.param("step note deaf", id="in mid job")]
)
def test_a_frozen_engine_is_killed_and_the_next_job_is_its_own(script: str, tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path, silent_s=0.5) as engine:
            assert (await run_script(engine, script)).end == FROZEN
            await follow_up(engine)

    asyncio.run(check())


def test_an_engine_that_is_stopped_is_killed_also_if_its_pipe_is_full(tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path, silent_s=0.5) as engine:
            await engine.start()
            assert engine._process is not None
            os.kill(engine._process.pid, signal.SIGSTOP)
            assert (await run_script(engine, "done", name="x" * (1 << 20))).end == FROZEN
            await follow_up(engine)

    asyncio.run(check())


@pytest.mark.parametrize("script", ["spin done", "child done", "step spin step child done"])
def test_an_engine_that_computes_without_a_word_is_left_alone(script: str, tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path, silent_s=0.5) as engine:
            assert (await run_script(engine, script)).end == "done"

    asyncio.run(check())


def test_an_engine_that_freezes_while_it_starts_is_killed(tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path, "deaf", silent_s=0.5) as engine:
            assert (await run_script(engine, "done")).end == FROZEN

    asyncio.run(check())


def test_an_engine_that_takes_long_to_start_is_waited_for(tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path, "spin", "child", "ready", silent_s=0.5) as engine:
            assert (await run_script(engine, "done")).end == "done"

    asyncio.run(check())


@pytest.mark.parametrize(
    ("script", "end"),
    [("deaf", FROZEN), ("until-cancel", "job-deadline: job: not done within job_deadline_s, 5 s, final")],
)
def test_without_others_the_engines_own_limits_hold(script: str, end: str, tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path, "limits", silent_s=None) as engine:
            assert (await run_script(engine, script)).end == end

    asyncio.run(check())


def test_a_job_that_takes_too_long_fails_for_good(tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path, deadline_s=0.5) as engine:
            first = await run_script(engine, "until-cancel")
            assert first.end == "job-deadline: job: not done within job_deadline_s, 0.5 s, final"
            await follow_up(engine)

    asyncio.run(check())


def test_processor_time_counts_children_and_only_of_this_process() -> None:
    own, tree = own_s(os.getpid()), tree_s(os.getpid())
    assert 0 < own <= tree <= tree_s(os.getppid())
    assert tree_s(2**22 + 1) == own_s(2**22 + 1) == 0
