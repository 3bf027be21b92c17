"""The checkpoints of a round of tracking: whose they are, and which is found."""

from collections.abc import Sequence

import pytest

from service.pipeline.store.checkpoints import Checkpoints
from service.pipeline.store.round_checkpoints import RoundCheckpoints
from service.pipeline.tracks.round import Round, beginning
from tests.recording import MemoryCache
from tests.unit.builders import candidate

STEPS, EVERY = 10, 3
SEEDS = ("a", "b")


def of_round(cache: MemoryCache, seeds: Sequence[str] = SEEDS, every: int = EVERY) -> RoundCheckpoints:
    return RoundCheckpoints(Checkpoints(cache, lambda name: f"v/checkpoint-{name}", every), seeds, STEPS)


def at(done: int) -> Round:
    return Round(done, {}, beginning([candidate(0, 3, [0.9]), candidate(1, 9, [0.9])]).outcomes)


def after(*steps: int) -> MemoryCache:
    cache = MemoryCache()
    checkpoints = of_round(cache)
    for done in steps:
        checkpoints.keep(at(done))
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
    found = of_round(cache).newest()
    assert (None if found is None else found.done) == newest
    assert len(cache.kept) == (newest is not None)


def test_of_two_that_a_kill_left_the_newer_one_is_found() -> None:
    cache = after(3)
    cache.kept |= after(6).kept
    found = of_round(cache).newest()
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
    assert of_round(after(3), seeds).newest() is None


def test_none_are_found_where_none_are_wanted() -> None:
    assert of_round(after(3), every=0).newest() is None
