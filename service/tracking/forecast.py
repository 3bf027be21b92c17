"""Which seeds can't reach `min_score`: before they are tracked, and while they are (docs/method.md, section 5.7).

A tubelet's score is the mean, over its visible frames, of the detections that match its masks. So the detections of
a seed's linked group bound what the group itself can contribute, and the frames tracked so far say what is to be
expected of the rest. Only the seed's own track is looked at, never another one, and only the detector's scores before
calibration, which are never below the calibrated ones: whether a track is stopped does not depend on calibration,
categories or other seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.structures.detections import Candidate, Detections, Place
from service.structures.linked_group import LinkedGroup
from service.structures.masks import Rle, iou_matrix
from service.structures.tubelets import Tubelet
from service.tracking.params import ForecastParams, TubeletParams
from service.tracking.score_scale import mean_of


@dataclass(frozen=True, slots=True)
class ForecastRule:
    """When a seed is given up.

    Attributes:
        needed: mean score that a tubelet needs to be in the result.
        share: of `needed`; exclusive. A track whose forecast is below it is stopped.
        frames: visible frames before a track can be stopped.
        match_iou: mask IoU above which a detection supports a tubelet (`TubeletParams.match_iou`).
        shared: frames that another chunk has as well. A group seen there may continue an object of that chunk,
            whose score decides then, so it is never given up.
    """

    needed: float
    share: float
    frames: int
    match_iou: float
    shared: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Untracked:
    """A seed without a tubelet.

    Attributes:
        seed: the key detection.
        forecast: of the tubelet's mean score.
        visible: frames that were tracked and showed the object; 0 if the seed was not tracked at all.
    """

    seed: Candidate
    forecast: float
    visible: int


@dataclass(frozen=True, slots=True)
class Support:
    """What detections say of one track so far.

    Attributes:
        visible: number of frames with a mask.
        total: sum of the scores of the detections that match these masks.
        ahead: of the linked group's frames that were not tracked yet, the best score by frame.
    """

    visible: int
    total: float
    ahead: Mapping[int, float]

    @property
    def forecast(self) -> float:
        """Mean score if the rest of the group is found, and nothing else."""
        return (self.total + sum(self.ahead.values())) / max(self.visible + len(self.ahead), 1)


def forecast_rule(params: ForecastParams, tubelets: TubeletParams, shared: Sequence[int] = ()) -> ForecastRule | None:
    """The rule of these parameters; None: no seed is given up.

    That is so if the result has all tubelets, and if scores do not count frames without a match as 0.
    """
    if tubelets.min_score == 0 or params.stop_share == 0 or tubelets.score != "matched_zero":
        return None
    needed = mean_of(tubelets.min_score) if tubelets.rescale else tubelets.min_score
    return ForecastRule(needed, params.stop_share, params.frames, tubelets.match_iou, tuple(shared))


class Forecast:
    """Forecasts of the tubelets of one chunk.

    Args:
        rule: when a seed is given up.
        detections: of the detector, by frame.
        groups: the linked group of every detection: best score by frame (`calibration.seeds.group_scores`).
    """

    def __init__(
        self, rule: ForecastRule, detections: Sequence[Detections], groups: Mapping[Place, Mapping[int, float]]
    ) -> None:
        self.rule, self._detections, self._groups = rule, detections, groups

    def hopeless(self, groups: Sequence[LinkedGroup]) -> list[Untracked]:
        """The groups that can't reach the needed mean, whose seeds are not tracked at all.

        A tubelet that only the group's own candidates support has at most the sum of their scores: that is its mean
        if it is visible in a single frame.

        Args:
            groups: of calibrated candidates.
        """
        sums = [(group, sum(group.scores.values())) for group in groups]
        return [
            Untracked(group.leader, total, 0)
            for group, total in sums
            if total < self.rule.needed and self._decides(group.scores)
        ]

    def begin(self, seed: Candidate) -> Support:
        """The support of a track in its seed's frame."""
        return self.after(Support(0, 0.0, self._groups.get(seed.place, {})), seed.frame, seed.mask)

    def after(self, support: Support, frame: int, mask: Rle | None) -> Support:
        """The support after one more frame; None: the object is not visible."""
        ahead = {t: score for t, score in support.ahead.items() if t != frame}
        if mask is None:
            return replace(support, ahead=ahead)
        return Support(support.visible + 1, support.total + self._matched(frame, mask), ahead)

    def stops(self, seed: Candidate, support: Support) -> Untracked | None:
        """Why a track is stopped here, or None if it goes on."""
        rule = self.rule
        if support.visible < rule.frames or support.forecast >= rule.share * rule.needed:
            return None
        if not self._decides(self._groups.get(seed.place, {})):
            return None
        return Untracked(seed, support.forecast, support.visible)

    def replay(self, tubelet: Tubelet, sweeps: int) -> Untracked | None:
        """Where tracking this seed would have been stopped, or None.

        Args:
            tubelet: tracked to the end, in frames of the chunk.
            sweeps: 1 forward, 2 forward and backward.
        """
        watch = Watch(self, [tubelet.seed])
        for sweep in range(sweeps):
            for frame in range(len(tubelet.masks)) if sweep == 0 else reversed(range(len(tubelet.masks))):
                watch.step(sweep, frame, [tubelet.masks[frame]])
        return watch.stopped.get(0)

    def _decides(self, scores: Mapping[int, float]) -> bool:
        """Whether this chunk alone decides about a group with these frames."""
        return scores.keys().isdisjoint(self.rule.shared)

    def _matched(self, frame: int, mask: Rle) -> float:
        """The score of the detection that matches the mask best; 0 if none does."""
        detections = self._detections[frame]
        if not len(detections):
            return 0.0
        overlap = iou_matrix([mask], detections.masks)[0]
        best = int(np.argmax(overlap))
        return float(detections.scores[best]) if overlap[best] > self.rule.match_iou else 0.0


class Watch:
    """The supports of all tracks of a round, step by step, and which of them were stopped.

    Args:
        forecast: of the chunk; None: nothing is stopped.
        seeds: of the round.

    Attributes:
        stopped: seeds that were stopped, by number.
    """

    def __init__(self, forecast: Forecast | None, seeds: Sequence[Candidate]) -> None:
        self.stopped: dict[int, Untracked] = {}
        self._forecast, self._seeds = forecast, seeds
        self._supports = [] if forecast is None else [forecast.begin(seed) for seed in seeds]

    def step(self, sweep: int, frame: int, masks: Sequence[Rle | None]) -> None:
        """Note the frame's masks, by seed; None also where a track has ended.

        Args:
            sweep: 0 forward, 1 backward; a seed is tracked in frames on one side of its own only.
            frame: of the chunk.
            masks: by number of the seed.
        """
        if self._forecast is None:
            return
        for number, (seed, mask) in enumerate(zip(self._seeds, masks, strict=True)):
            tracked = frame < seed.frame if sweep else frame > seed.frame
            if not tracked or number in self.stopped:
                continue
            support = self._forecast.after(self._supports[number], frame, mask)
            self._supports[number] = support
            if (found := self._forecast.stops(seed, support)) is not None:
                self.stopped[number] = found
