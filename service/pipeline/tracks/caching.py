"""Caches tubelets by seed, so that a different selection of seeds only requires tracking the new ones."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from service.pipeline.store.cache import StageCache, recall
from service.pipeline.store.checkpoints import Checkpoints
from service.pipeline.store.codec import pack_tubelets, readable, unpack_tubelets
from service.pipeline.tracks.round import Round, beginning, round_checkpoint
from service.structures.detections import Candidate
from service.structures.tubelets import Tubelet
from service.tracking.forecast import Forecast, Untracked

MOST_TUBELETS = 512
"""Maximum number of tubelets stored per video, detector and tracker setting; the most recently used are kept."""


@dataclass(frozen=True, slots=True)
class Stops:
    """Early stops of tracks.

    Attributes:
        forecast: decides them.
        sweeps: of a round: 1 forward, 2 forward and backward.
        key: identifies everything a stop depends on except its seed.
    """

    forecast: Forecast
    sweeps: int
    key: str


class SeedTracker(Protocol):
    """Seeds → tubelets of one video: `Tracker`, or a `CachingTracker` around it."""

    async def track(self, seeds: Sequence[Candidate], report: Callable[[int, int], None]) -> list[Tubelet | Untracked]:
        """Per seed, in order, its tubelet, or why it was stopped."""
        ...


class RoundTracker(Protocol):
    """A tracker whose rounds can be resumed: `Tracker`."""

    @property
    def steps(self) -> int:
        """Number of steps of a round."""
        ...

    async def resume(
        self,
        seeds: Sequence[Candidate],
        begun: Round,
        report: Callable[[int, int], None],
        keep: Callable[[Round], None],
    ) -> list[Tubelet | Untracked]:
        """See `Tracker.resume`."""
        ...


class CachingTracker:
    """Tracks only the seeds that were not tracked before.

    A tubelet depends on the video, the detector, the tracker's parameters, and its seed's box, mask and raw class
    vector, but not on other seeds, calibration or categories. All tubelets of a video with the same tracker setting are
    therefore in one bundle, however their seeds were selected. If two runs write a bundle concurrently, the later one
    wins.

    A track that was stopped early is not a tubelet. It is kept apart, under a key that has the rule, so that a run
    that stops nothing tracks that seed to the end. A run that finds the whole tubelet of a seed that it would have
    stopped leaves it out as well: the result does not depend on what was tracked before.

    Args:
        inner: tracks the new seeds.
        cache: stores the bundle.
        key: identifies everything a tubelet depends on except its seed.
        checkpoints: of unfinished rounds.
        stops: which tracks the inner tracker stops; None: none.
    """

    def __init__(
        self, inner: RoundTracker, cache: StageCache, key: str, checkpoints: Checkpoints, stops: Stops | None = None
    ) -> None:
        self._inner, self._cache, self._key, self._checkpoints = inner, cache, key, checkpoints
        self._stops = stops

    async def track(self, seeds: Sequence[Candidate], report: Callable[[int, int], None]) -> list[Tubelet | Untracked]:
        """Per seed, in order, its tubelet, or why it was stopped."""
        wanted = {seed_name(seed): seed for seed in seeds}
        kept, stopped = self._kept(), self._stopped()
        whole = {name: kept[name] for name in wanted if name in kept}
        found: dict[str, Tubelet | Untracked] = {
            **{name: Untracked(seed, *stopped[name]) for name, seed in wanted.items() if name in stopped},
            **{name: self._replayed(tubelet) for name, tubelet in whole.items()},
        }
        new = {name: seed for name, seed in wanted.items() if name not in found}
        if new:
            found |= await self._track(new, whole, report)
        else:
            report(1, 1)
        # use this run's class vectors, since a different calibration may have changed them
        return [replace(found[seed_name(seed)], seed=seed) for seed in seeds]

    async def _track(
        self, new: Mapping[str, Candidate], kept: Mapping[str, Tubelet], report: Callable[[int, int], None]
    ) -> dict[str, Tubelet | Untracked]:
        """Track the new seeds, resuming from the latest checkpoint, and add them to the `kept` ones in the bundle."""
        seeds = list(new.values())
        rule = [] if self._stops is None else [self._stops.key]
        latest = round_checkpoint(self._checkpoints, [*new, *rule], self._inner.steps)
        begun = latest.find() or beginning(seeds)
        made = await self._inner.resume(seeds, begun, report, lambda state: latest.keep(state.done, state))
        tracked = dict(zip(new, made, strict=True))
        self._keep({**kept, **{name: item for name, item in tracked.items() if isinstance(item, Tubelet)}})
        self._keep_stopped(
            {name: (item.forecast, item.visible) for name, item in tracked.items() if isinstance(item, Untracked)}
        )
        latest.end()
        return tracked

    def _replayed(self, tubelet: Tubelet) -> Tubelet | Untracked:
        if self._stops is None:
            return tubelet
        return self._stops.forecast.replay(tubelet, self._stops.sweeps) or tubelet

    def _stopped(self) -> dict[str, tuple[float, int]]:
        """Forecast and visible frames of the tracks that earlier runs stopped, by seed name."""
        if self._stops is None:
            return {}
        return recall(self._cache, self._stops.key, unpack_stopped) or {}

    def _keep_stopped(self, found: Mapping[str, tuple[float, int]]) -> None:
        if self._stops is not None and found:
            kept = {name: item for name, item in self._stopped().items() if name not in found}
            self._cache.put(self._stops.key, json.dumps({**kept, **found}).encode())

    def _kept(self) -> dict[str, Tubelet]:
        """The bundle by seed name, most recently used last."""
        tubelets = recall(self._cache, self._key, unpack_tubelets)
        return {seed_name(tubelet.seed): tubelet for tubelet in tubelets or ()}

    def _keep(self, found: Mapping[str, Tubelet]) -> None:
        # read again, as another run may have added tubelets meanwhile
        others = {name: tubelet for name, tubelet in self._kept().items() if name not in found}
        bundle = [*others.values(), *found.values()][-MOST_TUBELETS:]
        self._cache.put(self._key, pack_tubelets([_without_classes(tubelet) for tubelet in bundle]))


def seed_name(seed: Candidate) -> str:
    """Identifies a seed by what its tubelet depends on: frame, box, mask and the detector's own class vector."""
    text = f"{seed.frame} {seed.mask.size_hw} {len(seed.raw)} ".encode()
    return hashlib.sha256(text + seed.box.tobytes() + seed.raw.tobytes() + seed.mask.counts).hexdigest()


@readable()
def unpack_stopped(data: bytes) -> dict[str, tuple[float, int]]:
    """Forecast and visible frames by seed name; raises like `unpack_detections`."""
    return {name: (float(forecast), int(visible)) for name, (forecast, visible) in json.loads(data).items()}


def _without_classes(tubelet: Tubelet) -> Tubelet:
    """Remove projected class vectors, whose length depends on the requested categories and differs within a bundle."""
    return replace(tubelet, seed=replace(tubelet.seed, probs=np.zeros(0, np.float32)))
