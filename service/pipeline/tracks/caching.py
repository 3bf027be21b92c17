"""Tubelets of seeds that were tracked before: another choice of seeds costs only those that are new."""

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
"""Most tubelets stored for one video, detector and tracker setting; the last used stay."""


class SeedTracker(Protocol):
    """Seeds → tubelets of one video: `Tracker`, or `CachingTracker` before it."""

    async def track(self, seeds: Sequence[Candidate], report: Callable[[int, int], None]) -> list[Tubelet]:
        """One tubelet per seed, in their order."""
        ...


class RoundTracker(Protocol):
    """A tracker whose rounds can be resumed: `Tracker`."""

    @property
    def steps(self) -> int:
        """Of a round."""
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

    A tubelet depends on the video, the detector, the tracker's parameters, and its seed's box and mask: not on the
    other seeds, nor on class vectors. So all tubelets of a video under one tracker setting are in one bundle, whatever
    chose their seeds. Of two runs that write one at the same time, the later one's stays.

    Args:
        inner: tracks the others.
        cache: keeps the bundle.
        key: names all that a tubelet depends on besides its seed.
        checkpoints: of unfinished rounds.
    """

    def __init__(self, inner: RoundTracker, cache: StageCache, key: str, checkpoints: Checkpoints) -> None:
        self._inner, self._cache, self._key, self._checkpoints = inner, cache, key, checkpoints

    async def track(self, seeds: Sequence[Candidate], report: Callable[[int, int], None]) -> list[Tubelet]:
        """One tubelet per seed, in their order."""
        wanted = {seed_name(seed): seed for seed in seeds}
        kept = self._kept()
        found = {name: kept[name] for name in wanted if name in kept}
        new = {name: seed for name, seed in wanted.items() if name not in found}
        if new:
            found |= await self._track(new, found, report)
        else:
            report(1, 1)
        # the class vector is this run's: another calibration may have changed it
        return [replace(found[seed_name(seed)], seed=seed) for seed in seeds]

    async def _track(
        self, new: Mapping[str, Candidate], kept: Mapping[str, Tubelet], report: Callable[[int, int], None]
    ) -> dict[str, Tubelet]:
        """Tubelets of the new seeds, from the latest checkpoint on; they join the `kept` ones in the bundle."""
        seeds = list(new.values())
        latest = round_checkpoint(self._checkpoints, list(new), self._inner.steps)
        begun = latest.find() or beginning(seeds)
        made = await self._inner.resume(seeds, begun, report, lambda state: latest.keep(state.done, state))
        tracked = dict(zip(new, made, strict=True))
        self._keep({**kept, **tracked})
        latest.end()
        return tracked

    def _kept(self) -> dict[str, Tubelet]:
        """The bundle by the seeds' names, the last wanted last."""
        tubelets = recall(self._cache, self._key, unpack_tubelets)
        return {seed_name(tubelet.seed): tubelet for tubelet in tubelets or ()}

    def _keep(self, found: Mapping[str, Tubelet]) -> None:
        # read again: another run may have added some while this one tracked
        others = {name: tubelet for name, tubelet in self._kept().items() if name not in found}
        bundle = [*others.values(), *found.values()][-MOST_TUBELETS:]
        self._cache.put(self._key, pack_tubelets([_without_classes(tubelet) for tubelet in bundle]))


def seed_name(seed: Candidate) -> str:
    """Names what a tubelet depends on of its seed: frame, box and mask."""
    text = f"{seed.frame} {seed.mask.size_hw} ".encode()
    return hashlib.sha256(text + seed.box.tobytes() + seed.mask.counts).hexdigest()


def _without_classes(tubelet: Tubelet) -> Tubelet:
    """Class vectors of one bundle may have different lengths: they depend on the categories asked for."""
    return replace(tubelet, seed=replace(tubelet.seed, probs=np.zeros(0, np.float32)))
