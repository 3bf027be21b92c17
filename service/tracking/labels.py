"""Final class and score of a tubelet: most frequent class, mean re-weighted score (IPDT section 3.4)."""

from collections.abc import Sequence

import numpy as np

from service.structures.detections import Candidate, Detections
from service.structures.masks import Rle, iou_matrix
from service.structures.tubelets import LabelledTubelet, Tubelet
from service.tracking.params import TubeletParams


def label_tubelet(tubelet: Tubelet, frames: Sequence[Detections], params: TubeletParams) -> LabelledTubelet:
    """Class and score from the calibrated detections that the tubelet's masks match.

    `matched_zero` (E1z): frames without a match count 0. `matched_skip` (E1s): they are left out. `seed` (E3): the
    seed's own. A tubelet that nothing matches gets the seed's class and its score over the number of frames.
    """
    seed = tubelet.seed
    if params.score == "seed":
        return LabelledTubelet(tubelet, seed.label, seed.score)
    visible = tubelet.frames
    matched = [found for t in visible if (found := _match(tubelet.masks[t], frames[t], params)) is not None]
    if not matched:
        return LabelledTubelet(tubelet, seed.label, seed.score / max(len(visible), 1))
    label = _most_frequent(matched)
    total = sum(float(found.probs[label]) for found in matched)
    count = len(visible) if params.score == "matched_zero" else len(matched)
    return LabelledTubelet(tubelet, label, min(total / count, 1.0))


def _match(mask: Rle | None, detections: Detections, params: TubeletParams) -> Candidate | None:
    """The detection with the highest mask IoU, if that is above `match_iou`."""
    if mask is None or not len(detections):
        return None
    overlap = iou_matrix([mask], detections.masks)[0]
    best = int(overlap.argmax())
    return detections.candidate(best) if overlap[best] > params.match_iou else None


def _most_frequent(matched: Sequence[Candidate]) -> int:
    """Mode of the labels; of two as frequent the one with the larger sum of scores."""
    labels = np.array([found.label for found in matched])
    scores = np.array([found.score for found in matched])
    options = np.unique(labels)
    return int(max(options, key=lambda c: ((labels == c).sum(), scores[labels == c].sum(), -c)))
