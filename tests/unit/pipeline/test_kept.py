"""Features in memory and on disk: what fits is there, what comes out is what went in."""

import os
from pathlib import Path

import numpy as np
import pytest

from service.pipeline.features.kept import FeatureSpill, Halves, KeptFeatures

RANDOM = np.random.default_rng(3)
BYTES = (4 * 6 * 8 + 3 * 3 * 4) * 2


def features() -> Halves:
    return RANDOM.random((4, 6, 8)).astype(np.float16), RANDOM.random((3, 3, 4)).astype(np.float16)


def there(kept: KeptFeatures, frames: list[Halves]) -> list[int]:
    found = [kept.get(index) for index in range(len(frames))]
    for got, put in zip(found, frames):
        assert got is None or all(np.array_equal(a, b) for a, b in zip(got, put))
    return [index for index, got in enumerate(found) if got is not None]


@pytest.mark.parametrize(
    ("in_memory", "on_disk", "kept"),
    [
        (0, 0, []),
        (2, 0, [4, 5]),
        (2, 2, [0, 1, 4, 5]),
        (0, 3, [0, 1, 2]),
        (2, 4, [0, 1, 2, 3, 4, 5]),
        (6, 4, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_as_many_as_fit(in_memory: int, on_disk: int, kept: list[int], tmp_path: Path) -> None:
    store = KeptFeatures(in_memory * BYTES, FeatureSpill(tmp_path / "s", on_disk * BYTES))
    frames = [features() for _ in range(6)]
    for index, halves in enumerate(frames):
        store.put(index, halves)
    assert there(store, frames) == kept
    # reading from disk moves nothing out of memory
    assert there(store, frames) == kept


def test_the_least_recently_used_goes_first() -> None:
    store = KeptFeatures(2 * BYTES)
    frames = [features() for _ in range(3)]
    store.put(0, frames[0])
    store.put(1, frames[1])
    store.get(0)
    store.put(2, frames[2])
    assert there(store, frames) == [0, 2]


def test_a_frame_put_twice_counts_once() -> None:
    store = KeptFeatures(2 * BYTES)
    frames = [features() for _ in range(2)]
    for index in (0, 1, 1, 1):
        store.put(index, frames[index])
    assert there(store, frames) == [0, 1]


def open_features() -> list[str]:
    names = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return [os.readlink(name) for name in names if os.path.islink(name) and ".features" in os.readlink(name)]


def test_the_space_on_disk_is_free_when_nobody_has_it(tmp_path: Path) -> None:
    store = KeptFeatures(0, FeatureSpill(tmp_path / "s", 1 << 20))
    store.put(0, features())
    (name,) = open_features()
    assert name.endswith(" (deleted)")
    assert not list((tmp_path / "s").iterdir())
    del store
    assert not open_features()


def test_a_disk_that_takes_nothing_fails_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = KeptFeatures(BYTES, FeatureSpill(tmp_path / "file" / "below", 1 << 20))
    frames = [features() for _ in range(3)]
    for index, halves in enumerate(frames):
        store.put(index, halves)
    assert there(store, frames) == [2]


def test_what_the_disk_does_not_give_back_is_not_there(tmp_path: Path) -> None:
    spill = FeatureSpill(tmp_path / "s", 3 * BYTES)
    first, second = features(), features()
    spill.put(0, first)
    spill.put(1, second)
    os.ftruncate(spill._open(), BYTES + 7)
    assert spill.get(1) is None
    found = spill.get(0)
    assert found is not None
    assert np.array_equal(found[0], first[0])
