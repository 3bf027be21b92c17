"""Selects one box per track from all proposals of the Siamese RPN (docs/method.md, section 5.1)."""

from functools import cache

import numpy as np

from service.structures.arrays import F32, I64
from service.tracking.anchors import ANCHORS_PER_CELL, RESPONSE_SIDE, SEARCH, anchor_grid, decode
from service.tracking.params import SiameseParams

MIN_SIDE = 10.0
"""Minimum side of a tracked box, px."""
LIKELY = 64
"""Number of proposals decoded per track; all are decoded if another one could still be the best."""


def rank(
    previous: F32, windows: F32, scores: F32, deltas: F32, params: SiameseParams, frame_hw: tuple[int, int]
) -> tuple[F32, F32]:
    """The best proposal of each of N tracks: change penalty, cosine window, smoothed size.

    Args:
        previous: (N, 4) boxes of the previous frame, network px.
        windows: (N, 4) search windows of the proposals.
        scores: (N, 3125) in [0, 1].
        deltas: (N, 3125, 4).
        params: penalty_k, window_influence, lr.
        frame_hw: network frame, for clipping.

    Returns:
        Boxes (N, 4) and their raw scores (N,).
    """
    if not len(previous):
        return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    # upper bound of the ranking value, so that most proposals need not be decoded
    bound = (1 - params.window_influence) * scores + params.window_influence * _cosine_window()
    likely = np.sort(np.argpartition(bound, -LIKELY, axis=1)[:, -LIKELY:], axis=1)
    boxes, value, raw = _best_of(likely, previous, windows, scores, deltas, params)
    np.put_along_axis(bound, likely, -np.inf, axis=1)
    missed = np.flatnonzero(bound.max(axis=1) >= value)
    if len(missed):
        every = np.tile(np.arange(scores.shape[1]), (len(missed), 1))
        boxes[missed], _, raw[missed] = _best_of(
            every, previous[missed], windows[missed], scores[missed], deltas[missed], params
        )
    return _clipped(boxes[:, :2], boxes[:, 2:], frame_hw), raw


def _best_of(
    chosen: I64, previous: F32, windows: F32, scores: F32, deltas: F32, params: SiameseParams
) -> tuple[F32, F32, F32]:
    """The best of the proposals at the ascending indices `chosen` (N, M) of each track.

    Returns:
        Center and smoothed size (N, 4) in the network frame, ranking value (N,), raw score (N,).
    """
    scale = np.float32(SEARCH) / (windows[:, 2] - windows[:, 0])
    rows = np.arange(len(chosen))
    scores = scores[rows[:, None], chosen]
    proposals = decode(anchor_grid()[chosen], deltas[rows[:, None], chosen])
    sizes = (previous[:, 2:] - previous[:, :2]) * scale[:, None]
    penalty = _penalty(proposals[..., 2:], sizes[:, None], params.penalty_k)
    window = params.window_influence * _cosine_window()[chosen]
    ranked = (1 - params.window_influence) * penalty * scores + window
    best = ranked.argmax(axis=1)
    rate = (penalty[rows, best] * scores[rows, best] * np.float32(params.lr))[:, None]
    size = ((1 - rate) * sizes + rate * proposals[rows, best, 2:]) / scale[:, None]
    middle = (windows[:, :2] + windows[:, 2:]) / 2 + proposals[rows, best, :2] / scale[:, None]
    found = np.concatenate([middle, size], axis=1).astype(np.float32)
    return found, ranked[rows, best], scores[rows, best].astype(np.float32)


def _penalty(sizes: F32, previous: F32, penalty_k: float) -> F32:
    """exp(-(change of ratio x change of scale - 1) k), (N, M, 2) against (N, 1, 2) -> (N, M)."""
    scale_change = _change(_context_side(sizes) / _context_side(previous))
    ratio_change = _change((previous[..., 0] / previous[..., 1]) / (sizes[..., 0] / sizes[..., 1]))
    penalty: F32 = np.exp(-(ratio_change * scale_change - 1) * penalty_k)
    return penalty


def _context_side(sizes: F32) -> F32:
    pad = sizes.sum(axis=-1) / 2
    side: F32 = np.sqrt((sizes[..., 0] + pad) * (sizes[..., 1] + pad))
    return side


def _change(ratio: F32) -> F32:
    return np.maximum(ratio, 1 / ratio)


@cache
def _cosine_window() -> F32:
    """Outer product of two Hann windows, one value per anchor: (3125,)."""
    hann = np.hanning(RESPONSE_SIDE)
    return np.repeat(np.outer(hann, hann).reshape(-1), ANCHORS_PER_CELL).astype(np.float32)


def _clipped(middle: F32, size: F32, frame_hw: tuple[int, int]) -> F32:
    """Clip centers to the frame, and sides to between 10 px and the frame's."""
    limit = np.array([frame_hw[1], frame_hw[0]], np.float32)
    middle = np.clip(middle, 0, limit)
    half = np.clip(size, MIN_SIDE, np.maximum(limit, MIN_SIDE)) / 2
    return np.concatenate([middle - half, middle + half], axis=1).astype(np.float32)
