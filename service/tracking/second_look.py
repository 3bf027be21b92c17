"""Second look at large objects: four overlapping tiles, each with as many samples as the whole window.

A window of S samples per side is too coarse for a large box, although the features have more detail. The same network
processes each tile as a separate window, with the first look's result as previous frame. See docs/method.md,
section 5.5.
"""

import numpy as np

from service.structures.arrays import F32, I64
from service.tracking.params import FusionParams

TILES = 4


def large(boxes: F32, side: int, params: FusionParams) -> I64:
    """Which boxes (N, 4), network px, get a second look; `side` is S."""
    if params.second_look == 0:
        return np.zeros(0, np.int64)
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    return np.flatnonzero(longer > params.second_look * side).astype(np.int64)


def tiles(window: F32, side: int) -> F32:
    """Window (4,) -> its tiles (4, 4): top row first. Their samples are those of `joined`."""
    fine = _fine(side)
    extent = window[2:] - window[:2]
    starts = np.array([[x, y] for y in (0, fine - side) for x in (0, fine - side)], np.float32)
    corners = window[:2] + starts / fine * extent
    return np.concatenate([corners, corners + side / fine * extent], axis=1).astype(np.float32)


def joined(probability: F32) -> F32:
    """The tiles (4, S, S) combined into one grid of the whole window, blended linearly where they overlap."""
    upper, lower = (_joined(*pair, axis=1) for pair in (probability[:2], probability[2:]))
    return _joined(upper, lower, axis=0)


def _fine(side: int) -> int:
    """Samples per side of the whole window: two tiles share a quarter of theirs."""
    return side * 7 // 4


def _joined(first: F32, second: F32, *, axis: int) -> F32:
    side = first.shape[axis]
    shared = 2 * side - _fine(side)
    head, fading = np.split(first, [side - shared], axis=axis)
    rising, tail = np.split(second, [shared], axis=axis)
    share = ((np.arange(shared, dtype=np.float32) + 0.5) / shared).reshape((-1, 1) if axis == 0 else (1, -1))
    return np.concatenate([head, (1 - share) * fading + share * rising, tail], axis=axis)
