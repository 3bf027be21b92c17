"""Box arithmetic: (N, 4) float32, x1 y1 x2 y2 in pixels, continuous edges (no +1)."""

import numpy as np

from service.structures.arrays import F32


def area(boxes: F32) -> F32:
    """(N, 4) -> (N,) px²; empty boxes give 0."""
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    product: F32 = sides.prod(axis=1)
    return product


def iou_matrix(a: F32, b: F32) -> F32:
    """Pairwise IoU, (N, 4) x (M, 4) -> (N, M). Empty boxes give 0, never NaN."""
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    overlap: F32 = np.clip(bottom_right - top_left, 0, None).prod(axis=2)
    union = area(a)[:, None] + area(b)[None, :] - overlap
    iou = np.zeros_like(overlap)
    np.divide(overlap, union, out=iou, where=union > 0)
    return iou


def clip(boxes: F32, hw: tuple[int, int]) -> F32:
    """Boxes clipped to a frame of height and width `hw`."""
    height, width = hw
    clipped: F32 = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    return clipped


def expand(boxes: F32, factor: float) -> F32:
    """Boxes scaled by `factor` around their centers."""
    center, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2 * factor
    return np.concatenate([center - half, center + half], axis=1).astype(np.float32)


def square(boxes: F32, side: F32) -> F32:
    """Squares with the given sides (N,) around the boxes' centers."""
    center, half = (boxes[:, :2] + boxes[:, 2:]) / 2, side[:, None] / 2
    return np.concatenate([center - half, center + half], axis=1).astype(np.float32)
