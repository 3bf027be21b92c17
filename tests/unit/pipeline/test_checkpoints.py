"""Checkpoints: whose they are, which is found, and how they are reported."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from service.pipeline.store.cache import CacheNote, FolderCache, StageCache
from service.pipeline.store.checkpoints import Checkpoints, LatestCheckpoint, PiecewiseCheckpoints
from service.pipeline.tracks.round import Round, beginning, round_checkpoint
from tests.support.recording import MemoryCache
from tests.unit.builders import candidate

STEPS, EVERY = 10, 3
SEEDS = ("a", "b")


def checkpoints(cache: StageCache, every: int = EVERY) -> Checkpoints:
    return Checkpoints(cache, lambda name: f"v/{name.replace(' ', '-')}", every)


def of_round(cache: MemoryCache, seeds: Sequence[str] = SEEDS, every: int = EVERY) -> LatestCheckpoint[Round]:
    return round_checkpoint(checkpoints(cache, every), seeds, STEPS)


def at(done: int) -> Round:
    return Round(done, {}, beginning([candidate(0, 3, [0.9]), candidate(1, 9, [0.9])]).outcomes)


def after(*steps: int) -> MemoryCache:
    cache = MemoryCache()
    newest = of_round(cache)
    for done in steps:
        newest.keep(done, at(done))
    return cache


@pytest.mark.parametrize(
    ("steps", "newest"),
    [
        pytest.param(range(1, 3), None, id="before the first"),
        pytest.param(range(1, 6), 3, id="the first"),
        pytest.param(range(1, 8), 6, id="the second, which overtook the first"),
        pytest.param(range(1, 11), 9, id="the last step is followed by the tubelets"),
    ],
)
def test_the_newest_stays(steps: range, newest: int | None) -> None:
    cache = after(*steps)
    found = of_round(cache).find()
    assert (None if found is None else found.done) == newest
    assert len(cache.kept) == (newest is not None)


def test_of_two_that_a_kill_left_the_newer_one_is_found() -> None:
    cache = after(3)
    cache.kept |= after(6).kept
    found = of_round(cache).find()
    assert found is not None
    assert found.done == 6


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(("b", "a"), id="another order"),
        pytest.param(("a",), id="fewer"),
        pytest.param(("a", "b", "c"), id="more"),
        pytest.param(("a", "c"), id="others"),
    ],
)
def test_those_of_other_seeds_are_not_found(seeds: Sequence[str]) -> None:
    assert of_round(after(3), seeds).find() is None


def test_none_are_found_where_none_are_wanted() -> None:
    assert of_round(after(3), every=0).find() is None


def pieces(cache: StageCache, *, every: int = EVERY, batch: int = 1, stage: str = "count") -> PiecewiseCheckpoints[int]:
    return PiecewiseCheckpoints(
        checkpoints(cache, every), stage, lambda found: json.dumps(found).encode(), json.loads, batch=batch
    )


def counted(cache: StageCache, steps: int, **options: int) -> PiecewiseCheckpoints[int]:
    """A stage that finds the number of its step, killed after some."""
    made = pieces(cache, **options)
    found = made.kept()
    for step in range(len(found), steps):
        found.append(step)
        made.keep(found, STEPS)
    return made


@pytest.mark.parametrize(
    ("steps", "options", "kept"),
    [
        pytest.param(2, {}, 0, id="before the end of a piece"),
        pytest.param(3, {}, 3, id="at the end of a piece"),
        pytest.param(8, {}, 6, id="within the third piece"),
        pytest.param(10, {"every": 5}, 5, id="the end of the stage is no piece's"),
        pytest.param(8, {"batch": 2}, 8, id="pieces are whole batches"),
        pytest.param(9, {"every": 0}, 0, id="none are wanted"),
    ],
)
def test_pieces_reach_as_far_as_they_were_kept(steps: int, options: dict[str, int], kept: int) -> None:
    cache = MemoryCache()
    counted(cache, steps, **options)
    assert pieces(cache, **options).kept() == list(range(kept))


def test_pieces_reach_to_the_first_that_is_missing() -> None:
    cache = MemoryCache()
    counted(cache, 9)
    cache.drop("v/count-3")
    assert pieces(cache).kept() == [0, 1, 2]


def test_pieces_of_another_length_are_not_put_together() -> None:
    cache = MemoryCache()
    counted(cache, 9)
    assert pieces(cache, every=4).kept() == []


def test_pieces_of_another_stage_are_not_found() -> None:
    cache = MemoryCache()
    counted(cache, 9)
    assert pieces(cache, stage="other").kept() == []


def test_no_piece_is_left_at_the_end() -> None:
    cache = MemoryCache()
    counted(cache, 10).end(STEPS)
    assert cache.kept == {}


def test_notes_on_files_mark_checkpoints(tmp_path: Path) -> None:
    notes: list[CacheNote] = []
    cache = FolderCache(tmp_path, max_bytes=1000, note=notes.append)
    cache.put("v/result", b"1")
    counted(cache, 3)
    pieces(cache).kept()
    pieces(cache).end(STEPS)
    cache.get("v/result")
    assert [(note.key, note.checkpoint, note.size_bytes is None) for note in notes] == [
        ("v/result", False, False),
        ("v/count-0", True, False),  # kept
        ("v/count-0", True, False),  # found
        ("v/count-0", False, True),  # removed
        ("v/result", False, False),
    ]
