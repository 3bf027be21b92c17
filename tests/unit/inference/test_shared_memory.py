"""Regions: re-use, bounds, and what is left when their owner dies."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dualtrack.errors import Unavailable
from service.inference.repository.manifest import load_manifest
from service.inference.specs import graph_specs
from service.inference.triton.client import TritonClient
from service.inference.triton.shared_memory import Regions, is_stale, sweep
from tests.contract.inference.backends import Sizes, inputs_for
from tests.support.patience import PATIENCE_S
from tests.support.pipelines import REPOSITORY

OWNER = """
import signal, sys
from pathlib import Path
from service.inference.triton.shared_memory import Regions
regions = Regions(max_bytes=1 << 20, folder=Path(sys.argv[1]))
regions.take(5000)
print("made", flush=True)
signal.pause()
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


def test_free_regions_make_room_for_one_that_fits_none_of_them(tmp_path: Path) -> None:
    regions = Regions(max_bytes=100_000, folder=tmp_path)
    held, *small = (regions.take(size) for size in (20_000, 30_000, 40_000))
    assert regions.take(50_000) is None
    assert regions.retire(50_000) == []
    for region in small:
        assert region is not None
        regions.give(region)
    for region in regions.retire(50_000):
        regions.discard(region)
    assert regions.take(50_000) is not None
    assert regions.take(40_000) is None
    assert held is not None
    assert regions.retire(100_001) == []
    regions.close()
    assert files(tmp_path) == []


def test_calls_that_never_reach_a_server_leave_their_regions(tmp_path: Path) -> None:
    spec = graph_specs(load_manifest(REPOSITORY).dims)["mask_rcnn"]

    async def work() -> None:
        client = TritonClient("127.0.0.1:1", deadline_s=PATIENCE_S)
        client._regions = Regions(max_bytes=1 << 28, folder=tmp_path)
        for _ in range(6):
            with pytest.raises(Unavailable):
                await client.infer(spec, inputs_for(spec, Sizes(images=2)))
        assert len([name for name in files(tmp_path) if not name.endswith(".lock")]) == 1
        await client.close()

    asyncio.run(work())
    assert files(tmp_path) == []


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
