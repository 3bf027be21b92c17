"""The bundle of a video's tubelets: what stays in it when it is full, and when two runs write it."""

import asyncio
from collections.abc import Callable, Sequence

from service.pipeline.store.checkpoints import Checkpoints
from service.pipeline.tracks.caching import MOST_TUBELETS, CachingTracker, Stops
from service.structures.detections import Candidate
from service.structures.tubelets import Tubelet
from service.tracking.forecast import Forecast, ForecastRule, Untracked
from tests.support.recording import MemoryCache
from tests.unit.builders import candidate, frame, tube


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


class Stopping(Counting):
    """Stops every seed at x below 10."""

    async def resume(
        self, seeds: Sequence[Candidate], begun: object, report: object, keep: object
    ) -> list[Tubelet | Untracked]:
        tubelets = await super().resume(seeds, begun, report, keep)
        return [Untracked(each.seed, 0.05, 4) if each.seed.box[0] < 10 else each for each in tubelets]


def stops(key: str = "v/stops-1", share: float = 0.7) -> Stops:
    """Of a chunk of two frames without detections, in which every track is hopeless at once."""
    rule = ForecastRule(needed=0.1, share=share, frames=1, match_iou=0.7)
    return Stops(Forecast(rule, [frame(0), frame(1)], {}), sweeps=2, key=key)


def results(
    cache: MemoryCache, inner: Counting, rule: Stops | None, *seeds: Candidate
) -> list[tuple[int, float] | None]:
    """Visible frames and forecast of the seeds that were stopped; None for a tubelet."""
    checkpoints = Checkpoints(cache, lambda name: f"v/checkpoint-{name}", every=1)
    tracker = CachingTracker(inner, cache, "v/tubelets-1", checkpoints, rule)
    found = asyncio.run(tracker.track(seeds, lambda *_: None))
    assert [item.seed for item in found] == list(seeds)
    return [(item.visible, item.forecast) if isinstance(item, Untracked) else None for item in found]


def test_a_stopped_track_is_kept_with_its_forecast_and_never_as_a_tubelet() -> None:
    cache, inner = MemoryCache(), Stopping()
    assert results(cache, inner, stops(), seed(3), seed(30)) == [(4, 0.05), None]
    assert results(cache, inner, stops(), seed(3)) == [(4, 0.05)]
    assert [int(each.box[0]) for each in inner.tracked] == [3, 30]
    # another rule, and a run that stops nothing, track it
    assert results(cache, inner, stops("v/stops-2"), seed(3)) == [(4, 0.05)]
    assert results(cache, whole := Counting(), None, seed(3), seed(30)) == [None, None]
    assert ([int(each.box[0]) for each in whole.tracked], len(inner.tracked)) == ([3], 3)


def test_what_other_runs_stopped_meanwhile_stays() -> None:
    cache, other = MemoryCache(), MemoryCache()
    results(other, Stopping(), stops(), seed(1))
    added = Stopping(meanwhile=lambda: cache.kept.update(other.kept))
    results(cache, added, stops(), seed(2))
    assert results(cache, added, stops(), seed(1), seed(2)) == [(4, 0.05)] * 2
    assert len(added.tracked) == 1


def test_a_whole_tubelet_is_left_out_where_its_track_would_have_been_stopped() -> None:
    cache = MemoryCache()
    results(cache, Counting(), None, seed(3, 0))
    # two frames: visible in the seed's alone, so the sweep's one step is enough to see that nothing comes
    assert results(cache, Counting(), stops(), seed(3, 0)) == [(1, 0.0)]
    assert results(cache, Counting(), stops(share=0), seed(3, 0)) == [None]


def test_stored_stops_that_are_damaged_are_made_again() -> None:
    cache, inner = MemoryCache(), Stopping()
    results(cache, inner, stops(), seed(3))
    for damaged in (b"{", b"[]", b'{"a": 3}', b'{"a": ["x", 1]}', b"\xff"):
        cache.kept["v/stops-1"] = damaged
        assert results(cache, inner, stops(), seed(3)) == [(4, 0.05)]
    assert len(inner.tracked) == 6
