"""Final classes and scores of a tubelet, from the mean of the matched class vectors (docs/method.md, section 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from service.structures.arrays import F64, I64
from service.structures.detections import Candidate, Detections
from service.structures.masks import Rle, iou_matrix
from service.structures.tubelets import LabeledTubelet, Tubelet
from service.tracking.params import TubeletParams
from service.tracking.score_scale import rescaled

FLOOR = 0.05
"""Score above which a further class is listed."""
MOST_CLASSES = 10
"""Maximum number of classes of a tubelet, its own included."""

Matches = Mapping[int, Candidate]
"""The calibrated detection that matches the tubelet's mask, by frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """Statistics of any number of frames from which classes and scores are computed.

    Attributes:
        visible: frames with a mask.
        matched: frames with a mask and a matching detection.
        counts: (K,) matched frames by label of the detection.
        tops: (K,) sum of the scores of these detections.
        totals: (K,) sum of all matched class vectors.
    """

    visible: int = 0
    matched: int = 0
    counts: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    tops: F64 = field(default_factory=lambda: np.zeros(0))
    totals: F64 = field(default_factory=lambda: np.zeros(0))

    def with_matches(self, tubelet: Tubelet, matches: Matches) -> "Votes":
        """Add the frames of a tubelet and their matches, in order."""
        return self.add(len(tubelet.frames), list(matches.values()))

    def add(self, visible: int, matches: Sequence[Candidate]) -> "Votes":
        """Add frames: the number with a mask, and their matches, in order."""
        if not matches:
            return Votes(self.visible + visible, self.matched, self.counts, self.tops, self.totals)
        counts: I64 = np.zeros(len(matches[0].probs), np.int64)
        tops: F64 = np.zeros(len(counts))
        totals: F64 = np.zeros(len(counts))
        if self.matched:
            counts, tops, totals = self.counts.copy(), self.tops.copy(), self.totals.copy()
        for found in matches:
            counts[found.label] += 1
            tops[found.label] += found.score
            totals += found.probs
        return Votes(self.visible + visible, self.matched + len(matches), counts, tops, totals)


def label_tubelet(tubelet: Tubelet, frames: Sequence[Detections], params: TubeletParams) -> LabeledTubelet:
    """Classes and scores from the calibrated detections that match the tubelet's masks.

    The scores of all classes are the mean of the matched class vectors. `matched_zero` (E1z): frames without a match
    count as 0. `matched_skip` (E1s): they are skipped. `seed` (E3): the seed's vector. A tubelet without any match gets
    the seed's vector divided by the number of frames. The tubelet's own class is the one with the highest score; by the
    rule `mode` it is the most frequent label, and the only class. With `rescale` the scores are those of `score_scale`.

    Args:
        tubelet: of the frames.
        frames: candidates of every frame that the tubelet has an entry for.
        params: estimator and threshold.
    """
    return label_by(Votes().with_matches(tubelet, matches_of(tubelet, frames, params)), tubelet, params)


def label_by(votes: Votes, tubelet: Tubelet, params: TubeletParams) -> LabeledTubelet:
    """The same as `label_tubelet`, from the statistics."""
    means = _mean_scores(votes, tubelet.seed, params)
    means = rescaled(means) if params.rescale else means
    if params.label == "mode":
        label = _most_frequent(votes) if votes.matched and params.score != "seed" else tubelet.seed.label
        return LabeledTubelet(tubelet, label, float(means[label]))
    # a stable sort: of equal classes, the one with the lower index comes first
    best, *others = (int(c) for c in np.argsort(-means, kind="stable")[:MOST_CLASSES])
    listed = tuple((c, float(means[c])) for c in others if means[c] > FLOOR)
    return LabeledTubelet(tubelet, best, float(means[best]), others=listed)


def matches_of(tubelet: Tubelet, frames: Sequence[Detections], params: TubeletParams) -> dict[int, Candidate]:
    """The detections that match the tubelet's masks, by frame of the video, ascending.

    Args:
        tubelet: of the frames.
        frames: candidates of every frame that the tubelet has an entry for, in order.
        params: threshold.
    """
    matched = (
        (tubelet.start + place, _match(mask, detections, params))
        for place, (mask, detections) in enumerate(zip(tubelet.masks, frames, strict=True))
    )
    return {t: found for t, found in matched if found is not None}


def _mean_scores(votes: Votes, seed: Candidate, params: TubeletParams) -> F64:
    """(K,): score of every class, in [0, 1]."""
    if params.score == "seed":
        return seed.probs.astype(np.float64)
    if not votes.matched:
        return seed.probs.astype(np.float64) / max(votes.visible, 1)
    count = votes.visible if params.score == "matched_zero" else votes.matched
    means: F64 = np.minimum(votes.totals / count, 1.0)
    return means


def _match(mask: Rle | None, detections: Detections, params: TubeletParams) -> Candidate | None:
    """The detection with the highest mask IoU, if that is above `match_iou`."""
    if mask is None or not len(detections):
        return None
    overlap = iou_matrix([mask], detections.masks)[0]
    best = int(overlap.argmax())
    return detections.candidate(best) if overlap[best] > params.match_iou else None


def _most_frequent(votes: Votes) -> int:
    """The most frequent label; of equally frequent ones, the one with the larger sum of scores."""
    options = np.flatnonzero(votes.counts)
    return int(max(options, key=lambda c: (votes.counts[c], votes.tops[c], -c)))
