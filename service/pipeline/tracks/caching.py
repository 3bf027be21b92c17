"""Caches tubelets by seed, so that a different selection of seeds only requires tracking the new ones."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from service.pipeline.store.cache import StageCache, recall
from service.pipeline.store.checkpoints import Checkpoints
from service.pipeline.store.codec import pack_tubelets, unpack_tubelets
from service.pipeline.tracks.round import Round, beginning, round_checkpoint
from service.structures.detections import Candidate
from service.structures.tubelets import Tubelet

MOST_TUBELETS = 512
"""Maximum number of tubelets stored per video, detector and tracker setting; the most recently used are kept."""


class SeedTracker(Protocol):
    """Seeds → tubelets of one video: `Tracker`, or a `CachingTracker` around it."""

    async def track(self, seeds: Sequence[Candidate], report: Callable[[int, int], None]) -> list[Tubelet]:
        """One tubelet per seed, in order."""
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
    ) -> list[Tubelet]:
        """See `Tracker.resume`."""
        ...


class CachingTracker:
    """Tracks only the seeds that were not tracked before.

    A tubelet depends on the video, the detector, the tracker's parameters, and its seed's box, mask and raw class
    vector, but not on other seeds, calibration or categories. All tubelets of a video with the same tracker setting are
    therefore in one bundle, however their seeds were selected. If two runs write a bundle concurrently, the later one
    wins.

    Args:
        inner: tracks the new seeds.
        cache: stores the bundle.
        key: identifies everything a tubelet depends on except its seed.
        checkpoints: of unfinished rounds.
    """

    def __init__(self, inner: RoundTracker, cache: StageCache, key: str, checkpoints: Checkpoints) -> None:
        self._inner, self._cache, self._key, self._checkpoints = inner, cache, key, checkpoints

    async def track(self, seeds: Sequence[Candidate], report: Callable[[int, int], None]) -> list[Tubelet]:
        """One tubelet per seed, in order."""
        wanted = {seed_name(seed): seed for seed in seeds}
        kept = self._kept()
        found = {name: kept[name] for name in wanted if name in kept}
        new = {name: seed for name, seed in wanted.items() if name not in found}
        if new:
            found |= await self._track(new, found, report)
        else:
            report(1, 1)
        # use this run's class vectors, since a different calibration may have changed them
        return [replace(found[seed_name(seed)], seed=seed) for seed in seeds]

    async def _track(
        self, new: Mapping[str, Candidate], kept: Mapping[str, Tubelet], report: Callable[[int, int], None]
    ) -> dict[str, Tubelet]:
        """Track the new seeds, resuming from the latest checkpoint, and add them to the `kept` ones in the bundle."""
        seeds = list(new.values())
        latest = round_checkpoint(self._checkpoints, list(new), self._inner.steps)
        begun = latest.find() or beginning(seeds)
        made = await self._inner.resume(seeds, begun, report, lambda state: latest.keep(state.done, state))
        tracked = dict(zip(new, made, strict=True))
        self._keep({**kept, **tracked})
        latest.end()
        return tracked

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


def _without_classes(tubelet: Tubelet) -> Tubelet:
    """Remove projected class vectors, whose length depends on the requested categories and differs within a bundle."""
    return replace(tubelet, seed=replace(tubelet.seed, probs=np.zeros(0, np.float32)))
