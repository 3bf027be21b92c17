"""An engine that neither says anything nor computes is killed; one that only computes is not."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from dualtrack.cpu_time import own_s, tree_s
from dualtrack.engine import handle, idle
from dualtrack.engine.handle import EngineHandle
from tests.contract.worker.scripted_jobs import follow_up, run_script, scripted
from tests.support.patience import PATIENCE_S

SHORT_S = 0.5
TURN_S = 0.03
"""Of the 0.8 s that the scripts compute: more checks than make an engine a frozen one."""
FROZEN = "EngineDied: engine: no message and no processor time for 0.5 s"


async def started(engine: EngineHandle) -> None:
    """Start an engine, as slowly as the machine lets it; from then on it has to show that it works."""
    await engine.start()
    engine._given_silent_s = SHORT_S


async def another_job(engine: EngineHandle) -> None:
    """A job on the same handle, whose engine may start as slowly as the machine lets it."""
    engine._given_silent_s, engine._given_deadline_s = PATIENCE_S, None
    await follow_up(engine)


@pytest.mark.parametrize(
    "script", [pytest.param("deaf", id="from the start"), pytest.param("step note deaf", id="in mid job")]
)
def test_a_frozen_engine_is_killed_and_the_next_job_is_its_own(script: str, tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            await started(engine)
            assert (await run_script(engine, script)).end == FROZEN
            await another_job(engine)

    asyncio.run(check())


def test_an_engine_that_is_stopped_is_killed_also_if_its_pipe_is_full(tmp_path: Path) -> None:
    async def check() -> None:
        async with scripted(tmp_path) as engine:
            await started(engine)
            assert engine._process is not None
            os.kill(engine._process.pid, signal.SIGSTOP)
            assert (await run_script(engine, "done", name="x" * (1 << 20))).end == FROZEN
            await another_job(engine)

    asyncio.run(check())


@pytest.mark.parametrize("script", ["spin done", "child done", "step spin step child done"])
def test_an_engine_that_computes_without_a_word_is_left_alone(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = 0

    async def check() -> None:
        async with scripted(tmp_path) as engine:
            await started(engine)
            assert engine._process is not None
            pid = engine._process.pid

            async def until_it_computed(_: float) -> None:
                """Its turn may come late on a busy machine; between two checks it has one."""
                nonlocal checks
                checks, before = checks + 1, tree_s(pid)
                while tree_s(pid) - before < TURN_S:  # noqa: ASYNC110 (nor does the kernel)
                    await asyncio.sleep(0.001)

            monkeypatch.setattr(idle, "sleep", until_it_computed)
            assert (await run_script(engine, script)).end == "done"

    asyncio.run(check())
    assert checks > idle.CHECKS


def test_an_engine_that_freezes_while_it_starts_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handle, "START_SILENT_S", SHORT_S)

    async def check() -> None:
        async with scripted(tmp_path, "deaf", silent_s=SHORT_S) as engine:
            assert (await run_script(engine, "done")).end == FROZEN

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
        async with scripted(tmp_path, deadline_s=SHORT_S) as engine:
            first = await run_script(engine, "until-cancel")
            assert first.end == "job-deadline: job: not done within job_deadline_s, 0.5 s, final"
            await another_job(engine)

    asyncio.run(check())


def test_processor_time_counts_children_and_only_of_this_process() -> None:
    own, tree = own_s(os.getpid()), tree_s(os.getpid())
    assert 0 < own <= tree <= tree_s(os.getppid())
    assert tree_s(2**22 + 1) == own_s(2**22 + 1) == 0
