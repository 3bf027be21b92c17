"""Tubelets of seeds that were tracked before: one clip under many parameters meets the same seeds again and again."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

from service.pipeline.features import FeatureCache
from service.pipeline.run import Run
from service.pipeline.track import Tracker
from service.structures.arrays import F32
from service.structures.detections import Candidate, Detections
from service.structures.tubelets import Tubelet


@dataclass(frozen=True)
class _Memory:
    """A tubelet, and what its tracker saw of the candidates: their boxes (bytes) in the frames that it looked at."""

    tubelet: Tubelet
    boxes: dict[int, bytes]

    def holds(self, candidates: Sequence[Detections]) -> bool:
        """With these candidates the same would come out."""
        return all(candidates[t].boxes.tobytes() == seen for t, seen in self.boxes.items())


@dataclass(frozen=True)
class Remembered:
    """What is kept of one clip: its features, and the tubelets of the seeds that were tracked.

    A tubelet depends on its seed's box and mask, the tracker's parameters, and the boxes of the candidates in those
    frames where a lost track looked for its object; not on the other seeds, nor on class vectors.

    Attributes:
        features: f4 and f8 by frame.
        memories: by parameters and seed.
        recalls: one entry per seed that was not tracked anew.
        appearances: L2-normalised mean of f4 over a candidate's mask, (C4,), by frame and mask.
    """

    features: FeatureCache
    memories: dict[Hashable, list[_Memory]] = field(default_factory=dict)
    recalls: list[Hashable] = field(default_factory=list)
    appearances: dict[Hashable, F32] = field(default_factory=dict)

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
        self._kept, self._run, self._candidates = kept, run, candidates

    async def track(self, seeds: Sequence[Candidate], report: Callable[[int, int], None]) -> list[Tubelet]:
        """One tubelet per seed, in their order."""
        found = {self._key(seed): self._recall(seed) for seed in seeds}
        self._kept.recalls.extend(key for key, tubelet in found.items() if tubelet is not None)
        new = {self._key(seed): seed for seed in seeds if found[self._key(seed)] is None}
        if new:
            found |= zip(new, await self._track(list(new.values()), report), strict=True)
        # the class vector is this run's: another calibration may have changed it
        return [replace(tubelet, seed=seed) for seed in seeds if (tubelet := found[self._key(seed)]) is not None]

    def _key(self, seed: Candidate) -> Hashable:
        return self._run.params.tracker, seed.frame, seed.box.tobytes(), seed.mask.counts

    def _recall(self, seed: Candidate) -> Tubelet | None:
        memories: Iterable[_Memory] = self._kept.memories.get(self._key(seed), ())
        return next((memory.tubelet for memory in memories if memory.holds(self._candidates)), None)

    async def _track(self, seeds: Sequence[Candidate], report: Callable[[int, int], None]) -> list[Tubelet]:
        watched = _Watched(self._candidates)
        run = self._run
        tracker = Tracker(run.networks, run.canvas, run.params.tracker, self._kept.features, watched)
        tubelets = await tracker.track(seeds, report)
        # of all seeds together: more than each of them looked at, never less
        boxes = {t: self._candidates[t].boxes.tobytes() for t in watched.looked_at}
        for seed, tubelet in zip(seeds, tubelets, strict=True):
            self._kept.memories.setdefault(self._key(seed), []).append(_Memory(tubelet, boxes))
        return tubelets


class _Watched(Sequence[Detections]):
    """Candidates by frame that remember which frames were asked for."""

    def __init__(self, candidates: Sequence[Detections]) -> None:
        self._candidates = candidates
        self.looked_at: set[int] = set()

    @overload
    def __getitem__(self, index: int) -> Detections: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Detections]: ...
    def __getitem__(self, index: int | slice) -> Detections | Sequence[Detections]:
        self.looked_at.update(range(len(self))[index] if isinstance(index, slice) else (range(len(self))[index],))
        return self._candidates[index]

    def __len__(self) -> int:
        return len(self._candidates)
