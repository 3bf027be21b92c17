"""Tubelet NMS: keeps the best of several tubelets on the same object (docs/method.md, section 7)."""

from collections.abc import Sequence
from typing import assert_never

import numpy as np

from service.structures.arrays import F64
from service.structures.masks import Rle, area, iou_matrix
from service.structures.tubelets import LabeledTubelet, Tubelet
from service.tracking.params import TubeletIou, TubeletParams


def suppress(tubelets: Sequence[LabeledTubelet], params: TubeletParams) -> list[LabeledTubelet]:
    """Sort tubelets by score, and drop those whose IoU with a better one is above `th_seq`."""
    kept: list[LabeledTubelet] = []
    for item in sorted(tubelets, key=lambda t: (-t.score, t.tubelet.seed.frame)):
        rivals = [k for k in kept if params.class_agnostic or k.label == item.label]
        if all(tubelet_iou(item.tubelet, k.tubelet, params.iou) <= params.th_seq for k in rivals):
            kept.append(item)
    return kept


def tubelet_iou(a: Tubelet, b: Tubelet, kind: TubeletIou) -> float:
    """IoU of two tubelets of one video.

    `union`: mean mask IoU over the frames where at least one is visible. `both`: where both are visible. `all`: over
    all frames, with 0 where neither is visible. `stvol`: sum of intersections over sum of unions.
    """
    iou, total = _per_frame(a.masks, b.masks)
    visible = np.array([[m is not None for m in t.masks] for t in (a, b)])
    match kind:
        case "all":
            return float(iou.mean()) if len(iou) else 0.0
        case "union":
            return _mean(iou[visible.any(axis=0)])
        case "both":
            return _mean(iou[visible.all(axis=0)])
        case "stvol":
            # intersection = iou * union, and union = (areas) / (1 + iou)
            union = total / (1 + iou)
            return float((iou * union).sum() / union.sum()) if union.sum() > 0 else 0.0
        case _:
            assert_never(kind)


def _per_frame(a: Sequence[Rle | None], b: Sequence[Rle | None]) -> tuple[F64, F64]:
    """IoU and sum of the two areas in each frame, (T,) each; an absent mask has area 0."""
    iou, total = np.zeros(len(a)), np.zeros(len(a))
    for t, (one, other) in enumerate(zip(a, b, strict=True)):
        total[t] = sum(area(mask) for mask in (one, other) if mask is not None)
        if one is not None and other is not None:
            iou[t] = iou_matrix([one], [other])[0, 0]
    return iou, total


def _mean(values: F64) -> float:
    return float(values.mean()) if len(values) else 0.0
