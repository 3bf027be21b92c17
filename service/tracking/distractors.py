"""Other objects near a track: raw candidates of the frame that do not overlap it (docs/method.md, section 5.4)."""

from collections.abc import Sequence

import numpy as np

from service.structures.arrays import F32, Bool
from service.structures.boxes import area
from service.structures.canvas import Canvas
from service.structures.detections import Detections
from service.structures.masks import decode_part
from service.tracking.params import FusionParams
from service.tracking.windows import crop_mask

OWN = 0.5
"""Overlap of two boxes, as a share of the smaller one, from which a candidate may be the tracked object or a part."""
Part = tuple[Bool, tuple[int, int]]
"""A mask within its bounding box, (h, w), and the x, y of its first pixel in the frame (`decode_part`)."""


def distractors(
    box: F32, window: F32, detections: Detections, canvas: Canvas, params: FusionParams
) -> list[Part] | None:
    """Masks, in the original frame, of the candidates that are other objects and reach into a window.

    None if the rule is disabled.

    Args:
        box: (4,) tracked box, network px.
        window: (4,) pixel window, network px.
        detections: of the frame, before categories and calibration.
        canvas: sizes.
        params: minimum score of another object.
    """
    if params.distractor_score == 0 or params.kind != "box":
        return None
    boxes = (detections.boxes * canvas.scale_xyxy).astype(np.float32)
    smaller = np.minimum(area(boxes), area(box[None]))
    other = _shared(boxes, box) < OWN * smaller
    sure = detections.scores >= params.distractor_score
    near = np.flatnonzero(other & sure & (_shared(boxes, window) > 0))
    parts = [decode_part(detections.masks[i]) for i in near]
    # a candidate's mask can have no pixel
    return [part for part in parts if part[0].size]


def _shared(boxes: F32, box: F32) -> F32:
    """Area of the intersection of every box (N, 4) with one, (N,)."""
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    area_shared: F32 = np.clip(high - low, 0, None).prod(axis=1)
    return area_shared


def covered_samples(parts: Sequence[Part], window: F32, side: int) -> Bool:
    """Samples (S, S) of a window at least half of which some mask covers; `window` in pixels of the frame."""
    covered = np.zeros((side, side), np.bool_)
    for part, (x, y) in parts:
        covered |= crop_mask(part, window - np.array([x, y, x, y], np.float32), side) >= 0.5
    return covered


def covered_pixels(parts: Sequence[Part], hw: tuple[int, int], corner_xy: tuple[int, int]) -> Bool:
    """Pixels (h, w) of a part of the frame that some mask covers.

    Args:
        parts: the masks.
        hw: size of the part of the frame.
        corner_xy: position of its first pixel in the frame.
    """
    covered = np.zeros(hw, np.bool_)
    for part, (x, y) in parts:
        left, top = x - corner_xy[0], y - corner_xy[1]
        rows = slice(max(top, 0), max(top + part.shape[0], 0))
        columns = slice(max(left, 0), max(left + part.shape[1], 0))
        target = covered[rows, columns]
        first = max(-top, 0), max(-left, 0)
        target |= part[first[0] : first[0] + target.shape[0], first[1] : first[1] + target.shape[1]]
    return covered
