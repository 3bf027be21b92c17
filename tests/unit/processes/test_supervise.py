"""Which ends of a child say that it can't be run at all, and which say that something else was away for a while."""

import asyncio
import sys
from pathlib import Path

import pytest

from dualtrack.errors import ConfigurationError
from service.processes import supervise
from service.processes.exit_codes import UNAVAILABLE
from tests.integration.api.api_service import wait_for

ENDS = """
import os, signal, sys, time
with open(sys.argv[1], "a") as log: log.write("x")
if os.path.getsize(sys.argv[1]) > 5: time.sleep(600)
{end}
"""
PATIENCE_S = 60.0


async def run(folder: Path, end: str, *, was_ready: bool) -> None:
    """Until the child has run six times, the last time for good.

    Raises:
        ConfigurationError: it was given up before.
    """
    starts = folder / "starts"
    command = [sys.executable, "-c", ENDS.format(end=end), str(starts)]
    child = supervise.keep_running(
        command, {}, stop_s=PATIENCE_S, name="child", excused=lambda code: code == UNAVAILABLE and was_ready
    )
    task = asyncio.create_task(child)
    sixth = asyncio.to_thread(
        wait_for, lambda: task.done() or (starts.exists() and starts.stat().st_size > 5), PATIENCE_S
    )
    await sixth
    if task.done():
        task.result()
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize(
    ("end", "was_ready", "given_up"),
    [
        pytest.param("sys.exit(6)", True, True, id="a setting is wrong"),
        pytest.param("sys.exit(1)", True, True, id="a fault"),
        pytest.param("sys.exit(5)", False, True, id="no state server from the start"),
        pytest.param("sys.exit(5)", True, False, id="the state server is away for a while"),
        pytest.param("os.kill(os.getpid(), signal.SIGKILL)", True, False, id="it was killed"),
        pytest.param("sys.exit(0)", True, False, id="it was stopped"),
    ],
)
def test_a_child_is_given_up_only_if_it_is_at_fault(
    end: str, was_ready: bool, given_up: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "RESTART_S", 0.0)
    if given_up:
        with pytest.raises(ConfigurationError, match="child: exited 3 times right after starting"):
            asyncio.run(run(tmp_path, end, was_ready=was_ready))
    else:
        asyncio.run(run(tmp_path, end, was_ready=was_ready))
