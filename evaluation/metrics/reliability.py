"""Reliability of the score of a candidate's best class as a probability.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: candidates in equal-width bins of the score; the
expected calibration error is the mean over candidates of the gap between a bin's mean score and its fraction of right
candidates. *Right*: box IoU at least 0.5 with an object of the best class that no better candidate matches.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco

from evaluation.data.dataset import Document
from evaluation.metrics.faults import FOREGROUND, match
from service.structures.arrays import F64, Bool

BINS = 15
"""As in the paper."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """N candidates: `scores` (N,) of the best class in [0, 1], and `right` (N,)."""

    scores: F64
    right: Bool


def judge(scores: F64, labels: Sequence[int], boxes: F64, annotations: Sequence[Document]) -> Outcomes:
    """Compare the candidates of one image with its annotations; those inside a crowd of their class are ignored.

    Args:
        scores: (N,), of the best class.
        labels: category id of the best class of each candidate.
        boxes: (N, 4) x y width height in pixels, as COCO has it.
        annotations: COCO records of the image.
    """
    order = np.argsort(-scores, kind="stable")
    named = [labels[i] for i in order]
    objects = [item for item in annotations if not item.get("iscrowd", 0)]
    hits = match(_iou(boxes[order], objects), named, [item["category_id"] for item in objects])
    right = np.array([hit is not None for hit in hits], np.bool_)
    crowds = [item for item in annotations if item.get("iscrowd", 0)]
    of_class = np.equal.outer(np.array(named, np.int64), np.array([item["category_id"] for item in crowds], np.int64))
    crowded = ((_iou(boxes[order], crowds) >= FOREGROUND) & of_class).any(axis=1)
    kept = right | ~crowded
    return Outcomes(scores[order][kept], right[kept])


def _iou(boxes: F64, items: Sequence[Document]) -> F64:
    """(N, 4) x M annotations -> (N, M); for a crowd, intersection over the candidate's area."""
    if not len(boxes) or not items:
        return np.zeros((len(boxes), len(items)))
    wanted = np.array([item["bbox"] for item in items], np.float64)
    iou: F64 = coco.iou(boxes, wanted, [int(item.get("iscrowd", 0)) for item in items])
    return iou


def join(outcomes: Sequence[Outcomes]) -> Outcomes:
    """The outcomes of many images as one."""
    return Outcomes(
        np.concatenate([np.zeros(0), *(item.scores for item in outcomes)]),
        np.concatenate([np.zeros(0, np.bool_), *(item.right for item in outcomes)]),
    )


def reliability_table(outcomes: Outcomes, bins: int = BINS) -> list[Document]:
    """One row per non-empty bin: `low, high, candidates, mean_score, right` (fraction)."""
    # a score on a bin edge belongs to the upper bin, 1 to the last one
    places = np.minimum((outcomes.scores * bins).astype(np.int64), bins - 1)
    return [
        {
            "low": round(place / bins, 4),
            "high": round((place + 1) / bins, 4),
            "candidates": int((places == place).sum()),
            "mean_score": float(outcomes.scores[places == place].mean()),
            "right": float(outcomes.right[places == place].mean()),
        }
        for place in sorted(set(places.tolist()))
    ]


def calibration_error(table: Sequence[Document]) -> float:
    """ECE of a reliability table, in [0, 1]; 0 without candidates."""
    gaps = [row["candidates"] * abs(row["mean_score"] - row["right"]) for row in table]
    return float(sum(gaps) / max(sum(row["candidates"] for row in table), 1))
