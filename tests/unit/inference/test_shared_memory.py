"""Regions: re-use, bounds, and what is left when their owner dies."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from service.inference.triton.shared_memory import Regions, is_stale, sweep

OWNER = """
import sys, time
from pathlib import Path
from service.inference.triton.shared_memory import Regions
regions = Regions(max_bytes=1 << 20, folder=Path(sys.argv[1]))
regions.take(5000)
print("made", flush=True)
time.sleep(60)
"""


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_regions_are_used_again_and_removed(tmp_path: Path) -> None:
    regions = Regions(max_bytes=100_000, folder=tmp_path)
    first = regions.take(10_000)
    assert first is not None
    first.data[:] = 7
    assert (np.fromfile(tmp_path / first.name, np.uint8) == 7).all()
    regions.give(first)
    assert regions.take(9_000) is first
    assert regions.take(9_000) is not first
    regions.close()
    assert files(tmp_path) == []
    assert first.data[0] == 7


def test_a_small_call_does_not_hold_a_large_region(tmp_path: Path) -> None:
    regions = Regions(max_bytes=100_000, folder=tmp_path)
    large = regions.take(40_000)
    assert large is not None
    regions.give(large)
    assert regions.take(5_000) is not large
    regions.close()


def test_no_room_is_no_region(tmp_path: Path) -> None:
    regions = Regions(max_bytes=10_000, folder=tmp_path)
    assert regions.take(8_000) is not None
    assert regions.take(8_000) is None
    regions.close()


def test_a_sweep_takes_what_a_killed_owner_left_and_nothing_else(tmp_path: Path) -> None:
    living = Regions(max_bytes=10_000, folder=tmp_path)
    kept = living.take(100)
    assert kept is not None
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    with owner.stdout:
        assert owner.stdout.readline() == b"made\n"
    before = files(tmp_path)
    sweep(tmp_path)
    assert files(tmp_path) == before
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    left = set(before) - {kept.name, kept.name.rpartition("-")[0] + ".lock"}
    assert len(left) == 2
    assert not any(is_stale(name, tmp_path) for name in left)
    sweep(tmp_path)
    assert set(files(tmp_path)) == set(before) - left
    assert all(is_stale(name, tmp_path) for name in left)
    living.close()
