"""A worker's sign of life and its probe, run as a container runs it."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dualtrack.errors import ConfigurationError
from service.processes import liveness
from service.settings import Settings
from service.worker.main import run_worker

PROBE = [sys.executable, "-m", "service.processes.liveness"]


def probe(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*PROBE, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_a_file_just_touched_is_a_sign_of_life(tmp_path: Path) -> None:
    liveness.show(tmp_path / "alive")
    assert probe(tmp_path / "alive").returncode == 0


@pytest.mark.parametrize(("most_s", "code"), [(60, 1), (600, 0)])
def test_an_old_one_is_not(tmp_path: Path, most_s: float, code: int) -> None:
    liveness.show(tmp_path / "alive")
    earlier = time.time() - 120
    os.utime(tmp_path / "alive", (earlier, earlier))
    done = probe(tmp_path / "alive", most_s)
    assert done.returncode == code
    assert ("within 60 s, got none for 12" in done.stderr) is bool(code)


def test_before_the_first_sign_there_is_none(tmp_path: Path) -> None:
    assert liveness.silent_s(tmp_path / "alive") == float("inf")
    assert probe(tmp_path / "alive").returncode == 1


def test_a_file_that_can_not_be_written_is_named_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="DUALTRACK_LIVENESS_FILE: expected a file that this user can write"):
        asyncio.run(run_worker(Settings(data_dir=tmp_path, liveness_file=tmp_path / "nowhere" / "alive")))


def test_wrong_usage() -> None:
    assert (probe().returncode, probe().stderr) == (2, "usage: python -m service.processes.liveness FILE [SECONDS]\n")


def test_the_probe_imports_nothing_that_takes_long() -> None:
    loaded = "import sys, service.processes.liveness; print(len({'redis', 'pydantic', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
