"""Tubelets of seeds that were tracked before: one clip under many parameters meets the same seeds again and again."""

import hashlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace

from service.pipeline.features import FeatureCache
from service.pipeline.run import Run
from service.pipeline.track import Tracker
from service.structures.detections import Candidate, Detections
from service.structures.tubelets import Tubelet
from service.tracking.params import TrackerParams


@dataclass(frozen=True)
class Remembered:
    """What is kept of one clip: its features, and the tubelet of every seed that was tracked.

    A tubelet depends on its seed's box and mask, the tracker's parameters, and the boxes of all candidates (where a
    lost track looks for its object); not on the other seeds, nor on class vectors.
    """

    features: FeatureCache
    tubelets: dict[Hashable, Tubelet] = field(default_factory=dict)

    def tracker(self, run: Run, candidates: Sequence[Detections]) -> "RememberingTracker":
        """The tracker of one run on this clip."""
        return RememberingTracker(self, run, candidates)


class RememberingTracker:
    """Tracks only the seeds that are new.

    Args:
        kept: of the clip.
        run: networks, canvas and parameters.
        candidates: by frame.
    """

    def __init__(self, kept: Remembered, run: Run, candidates: Sequence[Detections]) -> None:
        self._kept, self._params = kept, run.params.tracker
        self._tracker = Tracker(run.networks, run.canvas, run.params.tracker, kept.features, candidates)
        boxes = b"".join(b"|" + frame.boxes.tobytes() for frame in candidates)
        self._boxes = hashlib.sha256(boxes).digest()

    async def track(self, seeds: Sequence[Candidate], report: Callable[[int, int], None]) -> list[Tubelet]:
        """One tubelet per seed, in their order."""
        keys = [_key(self._params, self._boxes, seed) for seed in seeds]
        new = {key: seed for key, seed in zip(keys, seeds, strict=True) if key not in self._kept.tubelets}
        if new:
            tracked = await self._tracker.track(list(new.values()), report)
            self._kept.tubelets.update(zip(new, tracked, strict=True))
        # the class vector is this run's: another calibration may have changed it
        return [replace(self._kept.tubelets[key], seed=seed) for key, seed in zip(keys, seeds, strict=True)]


def _key(params: TrackerParams, boxes: bytes, seed: Candidate) -> Hashable:
    return params, boxes, seed.frame, seed.box.tobytes(), seed.mask.counts
