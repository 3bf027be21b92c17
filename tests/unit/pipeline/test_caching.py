"""The bundle of a video's tubelets: what stays in it when it is full, and when two runs write it."""

import asyncio
from collections.abc import Callable, Sequence

from service.pipeline.store.checkpoints import Checkpoints
from service.pipeline.tracks.caching import MOST_TUBELETS, CachingTracker
from service.structures.detections import Candidate
from service.structures.tubelets import Tubelet
from tests.support.recording import MemoryCache
from tests.unit.builders import candidate, tube


class Counting:
    """A `RoundTracker` that finds each seed in its own frame only, and notes which it was given."""

    steps = 1

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.tracked: list[Candidate] = []
        self._meanwhile = meanwhile

    async def resume(self, seeds: Sequence[Candidate], begun: object, report: object, keep: object) -> list[Tubelet]:
        self.tracked += seeds
        self._meanwhile()
        return [Tubelet(seed, *_rest(tube([seed.frame], int(seed.box[0])))) for seed in seeds]


def _rest(tubelet: Tubelet) -> tuple:
    return tubelet.masks, tubelet.boxes, tubelet.scores


def seed(x: int, frame: int = 0) -> Candidate:
    return candidate(frame, x, [0.9, 0.1])


def track(cache: MemoryCache, *seeds: Candidate, inner: Counting | None = None) -> list[Candidate]:
    """The seeds that were tracked, not taken over."""
    inner = inner or Counting()
    checkpoints = Checkpoints(cache, lambda name: f"v/checkpoint-{name}", every=1)
    tracker = CachingTracker(inner, cache, "v/tubelets-1", checkpoints)
    tubelets = asyncio.run(tracker.track(seeds, lambda *_: None))
    assert [tubelet.seed for tubelet in tubelets] == list(seeds)
    assert [tubelet.frames for tubelet in tubelets] == [(given.frame,) for given in seeds]
    return inner.tracked


def test_box_mask_and_frame_tell_seeds_apart() -> None:
    cache = MemoryCache()
    same_place = seed(3, 1)
    assert len(track(cache, seed(3), same_place, seed(4))) == 3
    assert track(cache, seed(4), seed(3), same_place) == []


def test_of_a_full_bundle_those_wanted_last_stay() -> None:
    cache = MemoryCache()
    many = [seed(x, frame) for frame in range(8) for x in range(48)]
    first, *others = many
    track(cache, *many)
    track(cache, first, *(candidate(frame, x, [0.9]) for frame in range(8) for x in range(-9, 0)))
    more = [candidate(frame, x, [0.9]) for frame in range(4) for x in range(48, 60)]
    assert len(many) + 72 + len(more) <= MOST_TUBELETS
    track(cache, *more)
    added = [candidate(frame, x, [0.9]) for frame in range(4, 8) for x in range(48, 60)]
    assert len(many) + 72 + len(more) + len(added) > MOST_TUBELETS
    track(cache, *added)
    assert track(cache, first, *added) == []
    assert track(cache, others[0]) == [others[0]]


def test_what_another_run_added_meanwhile_stays() -> None:
    cache, other = MemoryCache(), MemoryCache()
    track(other, seed(1))
    track(cache, seed(2), inner=Counting(meanwhile=lambda: cache.kept.update(other.kept)))
    assert track(cache, seed(1), seed(2)) == []


def test_without_a_seed_there_is_nothing_to_do() -> None:
    assert track(MemoryCache()) == []
